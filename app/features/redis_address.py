"""From CTR_REDIS_URL to where Redis is and how to log in there."""

import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qs, unquote, urlsplit, urlunsplit

from redis.asyncio.connection import parse_url

Topology = Literal["single", "sentinel", "cluster"]

TOPOLOGIES: dict[str, Topology] = {"": "single", "sentinel": "sentinel", "cluster": "cluster"}
SCHEMES = ("redis", "rediss")
DEFAULT_HOST = "localhost"
DEFAULT_PORTS = {"": 6379, "sentinel": 26379, "cluster": 6379}
TLS_OPTIONS = {
    *("ssl_ca_certs", "ssl_ca_path", "ssl_cert_reqs", "ssl_certfile", "ssl_keyfile"),
    "ssl_check_hostname",
}
DATABASE = re.compile(r"(/[0-9]*)?/?")
URL_OPTIONS = {"db", "client_name"} | TLS_OPTIONS
CERT_REQUIREMENTS = {
    "none": ssl.CERT_NONE,
    "optional": ssl.CERT_OPTIONAL,
    "required": ssl.CERT_REQUIRED,
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where a server listens: a host and port, or a Unix socket."""

    host: str
    port: int
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
    expects_master: bool = False  # a replica that was a master before will not do

    def commands(self) -> list[tuple[str | int, ...]]:
        commands: list[tuple[str | int, ...]] = []
        if self.password is not None:
            user = () if self.username is None else (self.username,)
            commands.append(("AUTH", *user, self.password))
        if self.db:
            commands.append(("SELECT", self.db))
        if self.client_name:
            commands.append(("CLIENT", "SETNAME", self.client_name))
        if self.expects_master:
            commands.append(("ROLE",))
        return commands


@dataclass(frozen=True, slots=True)
class RedisAddress:
    """Where to begin: the server, the sentinels that know the master, or some cluster nodes."""

    topology: Topology
    places: tuple[Place, ...]
    login: Login
    master: str = ""  # its name, for sentinels
    sentinel_login: Login = Login()


def parse_address(
    url: str, *, sentinel_username: str | None = None, sentinel_password: str | None = None
) -> RedisAddress:
    """Raises ValueError or OSError for a URL that cannot be used; the message may quote it.

    redis://USER:PASSWORD@HOST:PORT/DB                     rediss:// with TLS, in all of these
    unix:///PATH/TO/SOCKET
    redis+sentinel://USER:PASSWORD@HOST:PORT,HOST:PORT/MASTER/DB
    redis+cluster://USER:PASSWORD@HOST:PORT,HOST:PORT
    """
    parts = urlsplit(url)
    options = set(parse_qs(parts.query, keep_blank_values=True))
    if not options <= URL_OPTIONS:
        raise ValueError(f"of the URL's options only {sorted(URL_OPTIONS)} can be set")
    scheme, _, topology = parts.scheme.partition("+")
    if topology not in TOPOLOGIES or (topology and scheme not in SCHEMES):
        raise ValueError(f"the URL must begin with one of {SCHEMES}, and may go on +sentinel://")
    if scheme != "rediss" and options & TLS_OPTIONS:
        raise ValueError("options of TLS need a rediss:// URL")
    user, _, hosts = parts.netloc.rpartition("@")
    master, path = "", parts.path
    if topology == "sentinel":
        master, _, db = parts.path.removeprefix("/").partition("/")
        path = f"/{db}"
        if not master:
            raise ValueError("sentinels are asked for a master by name: /MASTER")
    _check_path(scheme, hosts, path)
    one_host = hosts if not topology else ""
    plain = urlunsplit((scheme, f"{user}@{one_host}", path, parts.query, ""))
    parsed: dict[str, Any] = dict(parse_url(plain if topology else url))
    if topology == "cluster" and (path.strip("/") or "db" in options):
        raise ValueError("a cluster has no databases")
    tls = _tls(parsed) if scheme == "rediss" else None
    login = Login(
        parsed.get("username"),
        parsed.get("password"),
        parsed.get("db", 0),
        parsed.get("client_name"),
        tls,
        expects_master=topology == "sentinel",
    )
    return RedisAddress(
        TOPOLOGIES[topology],
        _places(hosts, DEFAULT_PORTS[topology]) if topology else (_place(parsed),),
        login,
        unquote(master),
        Login(sentinel_username, sentinel_password, tls=tls),
    )


def _check_path(scheme: str, hosts: str, path: str) -> None:
    """Raises ValueError for what redis-py would take for another server or database."""
    if scheme == "unix":
        if hosts or not path:
            raise ValueError("a socket has a path, behind three slashes, and no host")
    elif DATABASE.fullmatch(path) is None:
        raise ValueError("a database is a number: /DB")


def _place(parsed: Mapping[str, Any]) -> Place:
    host, port = parsed.get("host", DEFAULT_HOST), parsed.get("port", DEFAULT_PORTS[""])
    return Place(_checked(host), port, parsed.get("path"))


def _places(hosts: str, default_port: int) -> tuple[Place, ...]:
    places = []
    for host in hosts.split(","):
        parts = urlsplit(f"//{host}")
        if not parts.hostname:
            raise ValueError("a host is missing")
        places.append(Place(_checked(parts.hostname), parts.port or default_port))
    return tuple(places)


def _checked(host: str) -> str:
    """Raises UnicodeError, a ValueError, as connecting would, for what cannot be a host's name."""
    host.encode("idna")
    return host


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
