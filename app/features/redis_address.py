"""From CTR_REDIS_URL to where Redis is and how to log in there."""

import ssl
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

from redis.asyncio.connection import parse_url

DEFAULT_HOST, DEFAULT_PORT = "localhost", 6379
TLS_OPTIONS = {
    *("ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile"),
    "ssl_check_hostname",
}
URL_OPTIONS = {"db", "client_name"} | TLS_OPTIONS
CERT_REQUIREMENTS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens: a host and port, or a Unix socket."""

    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    path: str | None = None

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Login:
    """What is said to a server before the first question; never shown, it holds a password."""

    username: str | None = None
    password: str | None = field(default=None, repr=False)
    db: int = 0
    client_name: str | None = None
    tls: ssl.SSLContext | None = None

    def commands(self) -> list[tuple[str | int, ...]]:
        commands: list[tuple[str | int, ...]] = []
        if self.password is not None:
            user = () if self.username is None else (self.username,)
            commands.append(("AUTH", *user, self.password))
        if self.db:
            commands.append(("SELECT", self.db))
        if self.client_name:
            commands.append(("CLIENT", "SETNAME", self.client_name))
        return commands


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """One server and how to log in there."""

    place: Place
    login: Login


def parse_address(url: str) -> RedisAddress:
    """Raises ValueError or OSError for a URL that cannot be used; the message may quote it."""
    options = set(parse_qs(urlsplit(url).query, keep_blank_values=True))
    if not options <= URL_OPTIONS:
        raise ValueError(f"of the URL's options only {sorted(URL_OPTIONS)} can be set")
    parsed: dict[str, Any] = dict(parse_url(url))
    is_tls = urlsplit(url).scheme == "rediss"
    if not is_tls and options & TLS_OPTIONS:
        raise ValueError("options of TLS need a rediss:// URL")
    place = Place(
        parsed.get("host", DEFAULT_HOST), parsed.get("port", DEFAULT_PORT), parsed.get("path")
    )
    login = Login(
        parsed.get("username"),
        parsed.get("password"),
        parsed.get("db", 0),
        parsed.get("client_name"),
        _tls(parsed) if is_tls else None,
    )
    return RedisAddress(place, login)


def _tls(options: dict[str, Any]) -> ssl.SSLContext:
    context = ssl.create_default_context(
        cafile=options.get("ssl_ca_certs"), capath=options.get("ssl_ca_path")
    )
    requirement = options.get("ssl_cert_reqs", "required")
    if requirement not in CERT_REQUIREMENTS:
        raise ValueError(f"ssl_cert_reqs must be one of {sorted(CERT_REQUIREMENTS)}")
    context.check_hostname = requirement != "none" and options.get("ssl_check_hostname", True)
    context.verify_mode = CERT_REQUIREMENTS[requirement]
    if options.get("ssl_certfile"):
        context.load_cert_chain(options["ssl_certfile"], options.get("ssl_keyfile"))
    return context
