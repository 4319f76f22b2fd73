"""Redis behind TLS: only a server that the URL's authority vouches for is talked to."""

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.features.histories import as_rows, history
from tests.features.redis_stores import open_store
from tests.redis_process import RedisProcess, free_ports, redis_process

pytestmark = pytest.mark.anyio

PASSWORD = "sesame"  # noqa: S105 - of a server that lives as long as its test


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An authority, what it signed for 127.0.0.1, and another authority."""
    if shutil.which("openssl") is None:
        pytest.skip("makes its certificates with openssl, which is not on the path")
    folder = tmp_path_factory.mktemp("certificates")
    authority = "req -x509 -newkey rsa:2048 -nodes -days 2 -addext keyUsage=critical,keyCertSign"
    for name in ("ca", "other"):
        openssl(folder, f"{authority} -subj /CN={name} -keyout {name}.key -out {name}.pem")
    openssl(
        folder, "req -newkey rsa:2048 -nodes -subj /CN=server -keyout server.key -out server.pem"
    )
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1")
    signing = "x509 -req -days 2 -in server.pem -CA ca.pem -CAkey ca.key -CAcreateserial"
    openssl(folder, f"{signing} -extfile names -out signed.pem")
    return folder


def openssl(folder: Path, arguments: str) -> None:
    command = ["openssl", *arguments.split()]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)  # noqa: S603


def server_with_tls() -> str:
    """The first on the path that was built with it; that of the wheel was not."""
    folders = os.environ["PATH"].split(os.pathsep)
    for binary in filter(None, (shutil.which("redis-server", path=folder) for folder in folders)):
        starts_nothing = [binary, "--tls-port", "0", "--port", "0", "--unixsocket", "/no/where"]
        ended = subprocess.run(starts_nothing, capture_output=True, text=True, check=False)  # noqa: S603
        if "Bad directive" not in ended.stdout + ended.stderr:
            return binary
    pytest.skip("no redis-server on the path was built with TLS")


@contextmanager
def tls_redis(folder: Path, certificates: Path) -> Iterator[int]:
    """The port of a server that talks TLS on it; its other port is for the test alone."""
    port, plain = free_ports(2)
    options = (
        *("--tls-port", str(port), "--tls-auth-clients", "no"),
        *("--tls-cert-file", str(certificates / "signed.pem")),
        *("--tls-key-file", str(certificates / "server.key")),
        *("--tls-ca-cert-file", str(certificates / "ca.pem")),
    )
    server = RedisProcess(folder, plain, options, server_with_tls())
    try:
        server.start()
        yield port
    finally:
        server.kill()


async def test_a_server_that_the_authority_signed_is_read(tmp_path, certificates):
    with tls_redis(tmp_path / "redis", certificates) as port:
        url = f"rediss://127.0.0.1:{port}?ssl_ca_certs={certificates}/ca.pem"
        async with open_store(url) as store:
            await store.append("user-1", history("a"))
            (read,) = await store.read_histories(["user-1"])

    assert as_rows(read.behaviors) == as_rows(history("a"))


@pytest.mark.parametrize("authority", ["other.pem", None])
async def test_a_server_that_nobody_vouches_for_is_not_talked_to(tmp_path, certificates, authority):
    option = f"?ssl_ca_certs={certificates}/{authority}" if authority else ""
    with tls_redis(tmp_path / "redis", certificates) as port:
        async with open_store(f"rediss://127.0.0.1:{port}{option}") as store:
            assert await store.connection_problem() == "unreachable"


async def test_a_server_of_another_name_is_not_talked_to_unless_names_do_not_matter(
    tmp_path, certificates
):
    with tls_redis(tmp_path / "redis", certificates) as port:
        url = f"rediss://localhost:{port}?ssl_ca_certs={certificates}/ca.pem"
        async with (
            open_store(url) as strict,
            open_store(f"{url}&ssl_check_hostname=false") as lenient,
        ):
            assert await strict.connection_problem() == "unreachable"
            assert await lenient.connection_problem() is None


async def test_without_tls_a_server_behind_tls_is_no_server(tmp_path, certificates):
    with tls_redis(tmp_path / "redis", certificates) as port:
        async with open_store(f"redis://127.0.0.1:{port}", timeout_s=1) as store:
            assert await store.connection_problem() in {"unreachable", "timeout", "redis_error"}


async def test_an_acl_user_needs_only_what_the_service_does(tmp_path):
    with redis_process(tmp_path / "redis") as server:
        with server.client() as admin:
            admin.execute_command(
                *("ACL", "SETUSER", "ctr", "on", f">{PASSWORD}", "resetkeys"),
                *("~behaviors:*", "~profile:*", "~ad:*"),
                *("-@all", "+ping", "+mget", "+exists", "+get", "+hgetall"),
            )
            admin.execute_command("ACL", "SETUSER", "default", "off")
        url = server.url.replace("//", f"//ctr:{PASSWORD}@")
        async with open_store(url) as store, open_store(server.url) as stranger:
            reads = [
                *await store.read_histories(["user-1"]),
                *await store.read_profiles(["user-1"]),
                *await store.read_ads(["ad-1"]),
            ]
            assert {read.problem for read in reads} == {None}
            assert await store.connection_problem() is None
            (refused,) = await stranger.read_histories(["user-1"])

    assert refused.problem == "redis_error"
