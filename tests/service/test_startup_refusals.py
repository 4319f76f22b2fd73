"""A service that must not start like this says why in one line, and exits with 2."""

import logging
import shutil
import socket
import subprocess
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

import pytest

from app.api.server import Server, bind
from app.errors import StartupRefused
from app.main import build_service, lifecycle_of
from app.monitoring.metrics import Metrics
from app.registry.served_models import ServedModels
from app.settings import Settings, read_settings
from tests.api.stub_apis import BuggyRanker, api_with
from tests.artifacts import TINY_ARCHITECTURES, publish_tiny_version
from tests.serving import PROJECT, SERVE, environment

NOBODY = "unix:///nowhere/redis.sock"
PASSWORD = "hunter2"  # noqa: S105 - nobody's


@pytest.fixture
def own_store(model_store: Path, tmp_path: Path) -> Path:
    """A model store that a test may damage."""
    return Path(shutil.copytree(model_store, tmp_path / "store"))


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CTR_PORT", "eighty"),
        ("CTR_ADMIN_KEY", "15 characters!!"),
        ("CTR_DEFAULT_MODEL", "nope"),
    ],
)
def test_a_process_with_a_bad_setting_names_it(
    model_store: Path, variable: str, value: str
) -> None:
    settings = {
        "CTR_MODEL_STORE": str(model_store),
        "CTR_PORT": "0",
        "CTR_REDIS_URL": NOBODY,
        variable: value,
    }

    assert_refused(settings, variable)


def test_a_model_that_loaded_before_the_refusal_says_nothing(tmp_path: Path) -> None:
    # It has no fused runtime, which the log of a service that starts tells.
    publish_tiny_version(tmp_path, architecture=TINY_ARCHITECTURES["dsin"])

    assert_refused(
        {"CTR_MODEL_STORE": str(tmp_path), "CTR_PORT": "0", "CTR_REDIS_URL": "nonsense"},
        "CTR_REDIS_URL",
    )


def test_a_process_with_a_damaged_model_names_the_file(own_store: Path) -> None:
    weights = own_store / "tiny" / "1" / "weights.safetensors"
    flip_a_bit(weights)

    assert_refused(
        {"CTR_MODEL_STORE": str(own_store), "CTR_PORT": "0", "CTR_REDIS_URL": NOBODY}, str(weights)
    )


def test_a_process_whose_port_is_taken_names_the_address(model_store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]

        assert_refused(
            {"CTR_MODEL_STORE": str(model_store), "CTR_PORT": str(port)},
            f"127.0.0.1:{port}",
            "CTR_PORT a free port",
        )


def test_a_process_whose_liveness_port_is_taken_names_that_one(model_store: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        settings = {"CTR_PORT": "0", "CTR_LIVENESS_PORT": str(port)}

        assert_refused(
            {"CTR_MODEL_STORE": str(model_store), **settings},
            f"127.0.0.1:{port}",
            "CTR_LIVENESS_PORT a free port",
        )


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CTR_DEVICE", "cuda:7"),
        ("CTR_TRUSTED_KEYS", "nonsense"),
        ("CTR_TRUSTED_KEYS", "11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo="),  # nobody signed
        ("CTR_MODEL_STORE", "nothing://reads/this"),
    ],
)
def test_what_shows_only_when_models_are_loaded_is_refused_by_name_and_nothing_else_is_said(
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    model_store: Path,
    variable: str,
    value: str,
) -> None:
    monkeypatch.setenv("CTR_MODEL_STORE", str(model_store))
    monkeypatch.setenv(variable, value)

    with caplog.at_level(logging.INFO), pytest.raises(StartupRefused, match=variable) as refusal:
        build(read_settings(), NOBODY)

    assert_one_line(refusal.value)
    assert caplog.records == []


@pytest.mark.parametrize(
    ("variable", "value"),
    [
        ("CTR_PORT", "-1"),
        ("CTR_PORT", "65536"),
        ("CTR_ADMIN_KEY", "hunter2"),
        ("CTR_ADMIN_KEY", "long enough, but of a file\n"),
        ("CTR_DEVICE", "gpu"),
        ("CTR_DEVICE", "cuda"),
        ("CTR_DEVICE", "cuda:-1"),
        ("CTR_DEVICE", "cuda:99999999999999999999"),
        ("CTR_DEVICE", "cuda:٣"),
        ("CTR_RUNTIME", "fastest"),
        ("CTR_ENGINE_THREADS", "0"),
        ("CTR_TORCH_THREADS", "many"),
        ("CTR_REDIS_TIMEOUT_MS", "0"),
        ("CTR_REDIS_TIMEOUT_MS", "nan"),
        ("CTR_MAX_BATCH_PAIRS", "1e5"),
        ("CTR_MAX_QUEUED_PAIRS", "-1"),
        ("CTR_DEFAULT_DEADLINE_MS", "inf"),
        ("CTR_DEFAULT_DEADLINE_MS", "nan"),
        ("CTR_MAX_DEADLINE_MS", "inf"),
        ("CTR_MAX_BODY_BYTES", "10"),
        ("CTR_BODY_TIMEOUT_S", "inf"),
        ("CTR_HEAD_TIMEOUT_S", "0"),
        ("CTR_LIVENESS_PORT", "65536"),
        ("CTR_LIVENESS_BLOCKED_S", "0"),
        ("CTR_SHUTDOWN_DELAY_S", "-1"),
        ("CTR_SHUTDOWN_GRACE_S", "-1"),
        ("CTR_SHUTDOWN_GRACE_S", "9999999999"),  # no timer takes it
        ("CTR_LIVENESS_PORT", "8000"),  # that of CTR_PORT
        ("CTR_LOG_LEVEL", "CHATTY"),
    ],
)
def test_a_value_that_makes_no_sense_is_refused_by_name(
    monkeypatch: pytest.MonkeyPatch, variable: str, value: str
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(StartupRefused, match=f"^{variable}: ") as refusal:
        read_settings()

    assert_one_line(refusal.value)


def test_an_empty_host_is_no_wish_to_listen_everywhere() -> None:
    with pytest.raises(StartupRefused, match=r"^CTR_HOST: "):
        read_settings(host="")


def test_a_key_that_can_be_guessed_is_refused_without_being_shown(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("CTR_ADMIN_KEY", PASSWORD)

    with pytest.raises(StartupRefused, match="a key of less than 16 characters") as refusal:
        read_settings()

    assert PASSWORD not in str(refusal.value)


@pytest.mark.parametrize(
    "url",
    [
        "nonsense",
        "http://127.0.0.1:6379",
        f"redis://:{PASSWORD}/more@localhost:6379/0",
        f"redis://user:{PASSWORD}#more@localhost:6379/0",
        f"redis://:{PASSWORD}@localhost:99999",
        f"redis://:{PASSWORD}@[::1",
        f"redis://:{PASSWORD}@localhost?timeout=soon",
        f"redis://:{PASSWORD}@localhost?no_such_option={PASSWORD}",
        f"rediss://:{PASSWORD}@localhost?ssl_cert_reqs=perhaps",
        f"redis://:{PASSWORD}@localhost?decode_responses=True",  # would misread every history
        f"redis://:{PASSWORD}@localhost?retry=5",
    ],
)
def test_a_redis_url_that_cannot_be_used_is_refused_without_quoting_it(
    model_store: Path, url: str
) -> None:
    with pytest.raises(StartupRefused, match=r"^CTR_REDIS_URL: ") as refusal:
        build(Settings(model_store=model_store), url)

    assert_one_line(refusal.value)
    assert PASSWORD not in str(refusal.value)


@pytest.mark.parametrize("option", ["ssl_ca_certs", "ssl_certfile"])
def test_a_file_of_tls_that_is_not_there_is_told_from_a_wrong_url(
    model_store: Path, tmp_path: Path, option: str
) -> None:
    url = f"rediss://:{PASSWORD}@localhost?{option}={tmp_path / 'missing.pem'}"

    with pytest.raises(StartupRefused, match=r"^CTR_REDIS_URL: a file .*: No such file") as refusal:
        build(Settings(model_store=model_store), url)

    assert_one_line(refusal.value)
    assert PASSWORD not in str(refusal.value)


@pytest.mark.parametrize(
    "host", ["no.such.host.invalid", "a..b", "x" * 300, "ä" * 300, "192.0.2.1", "::zz"]
)
def test_an_address_that_is_not_ours_is_refused_by_name(host: str) -> None:
    with pytest.raises(StartupRefused, match="cannot listen on") as refusal:
        bind(host, 0)

    assert_one_line(refusal.value)
    assert host in str(refusal.value)
    assert "CTR_HOST must be an address of this machine" in str(refusal.value)
    assert "Unknown error" not in str(refusal.value)


def test_of_two_services_that_start_at_once_on_one_port_the_second_is_refused() -> None:
    api = api_with(BuggyRanker(""), ServedModels({}, default=None), Metrics())
    with closing(bind("127.0.0.1", 0)) as first:
        port = first.getsockname()[1]
        with closing(bind("127.0.0.1", port)) as second:
            first.listen()

            server = Server.of(api, lifecycle_of(Settings()), head_timeout_s=1, answer_timeout_s=1)

            with pytest.raises(StartupRefused, match="cannot listen") as refusal:
                server.run(sockets=[second])

    assert_one_line(refusal.value)


def test_a_folder_that_nothing_can_be_recorded_in_is_refused_by_name(
    model_store: Path, tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.touch()

    refusal = refusal_of(
        Settings(model_store=model_store, record_share=0.5, record_folder=file / "recorded")
    )

    assert refusal.startswith("CTR_RECORD_FOLDER: ")
    assert str(file) in refusal


def test_a_model_store_that_is_not_there_is_refused_by_name(tmp_path: Path) -> None:
    missing = tmp_path / "missing"

    refusal = refusal_of(Settings(model_store=missing))

    assert str(missing) in refusal
    assert "CTR_MODEL_STORE" in refusal


def test_an_empty_model_store_is_refused(tmp_path: Path) -> None:
    assert "no active model" in refusal_of(Settings(model_store=tmp_path))


def test_a_default_model_that_is_not_served_is_refused_by_name(model_store: Path) -> None:
    refusal = refusal_of(Settings(model_store=model_store, default_model="nope"))

    assert "CTR_DEFAULT_MODEL=nope" in refusal
    assert "tiny" in refusal


@pytest.mark.parametrize(
    "file",
    ["weights.safetensors", "golden.json", "vocabulary/item_id.safetensors"],
)
def test_a_damaged_file_of_a_model_is_refused_by_name(own_store: Path, file: str) -> None:
    flip_a_bit(own_store / "tiny" / "1" / file)

    assert file in refusal_of(Settings(model_store=own_store))


def test_a_manifest_that_was_cut_short_is_refused_by_name(own_store: Path) -> None:
    manifest = own_store / "tiny" / "1" / "manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:-10])

    assert str(manifest) in refusal_of(Settings(model_store=own_store))


@pytest.mark.parametrize("file", ["manifest.json", "weights.safetensors", "golden.json"])
def test_a_missing_file_of_a_model_is_refused_by_name(own_store: Path, file: str) -> None:
    (own_store / "tiny" / "1" / file).unlink()

    assert file in refusal_of(Settings(model_store=own_store))


@pytest.mark.parametrize("version", ["", "2", "../../etc", "1\n2", "\x00"], ids=ascii)
def test_an_active_version_that_is_not_there_is_refused(own_store: Path, version: str) -> None:
    (own_store / "tiny" / "ACTIVE").write_text(version)

    assert refusal_of(Settings(model_store=own_store))


def test_one_good_model_beside_a_bad_one_does_not_hide_it(own_store: Path) -> None:
    publish_tiny_version(own_store, "damaged", seed=1)
    flip_a_bit(own_store / "damaged" / "1" / "weights.safetensors")

    assert "damaged" in refusal_of(Settings(model_store=own_store))


def build(settings: Settings, redis_url: str) -> None:
    build_service(settings, redis_url, lifecycle_of(settings))


def refusal_of(settings: Settings) -> str:
    with pytest.raises(StartupRefused) as refusal:
        build(settings, NOBODY)
    assert_one_line(refusal.value)
    return str(refusal.value)


def assert_one_line(refusal: StartupRefused) -> None:
    assert str(refusal).strip()
    assert "\n" not in str(refusal)


def assert_refused(settings: Mapping[str, str], *named: str) -> None:
    finished = subprocess.run(  # noqa: S603 - our own command
        SERVE,
        cwd=PROJECT,
        env=environment(settings),
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )

    assert finished.returncode == 2, finished.stderr
    assert finished.stdout == ""
    (line,) = finished.stderr.splitlines()
    assert line.startswith("ctr-serve: ")
    assert all(one in line for one in named)


def flip_a_bit(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)
