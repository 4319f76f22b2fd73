"""The image: what it is built from, who it runs as, and whether its health check is true."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import pytest

from app.settings import Settings
from tests.deploy.deployment import (
    BUILDER,
    IGNORE,
    IMAGE,
    PROJECT,
    ROOT,
    STAGES,
    settings_in,
)
from tests.deploy.dockerfile import exec_form
from tests.deploy.exposed_series import routes

READY = "/health/ready"
COPIED = [source for stage in STAGES for source in stage.copied_from_context()]
BUILD_TOOLS = r"apt-get|apt |apk |build-essential|\bgcc\b|\bg\+\+|\bmake\b|\bpip\b|\bcurl\b"


def test_both_stages_pin_the_python_that_the_project_supports():
    versions = [re.fullmatch(r"python:(3\.\d+)(-slim)?-bookworm", stage.base) for stage in STAGES]

    assert [version and version[1] for version in versions] == ["3.11", "3.11"]
    assert PROJECT["requires-python"] == ">=3.11"


def test_nothing_is_built_or_installed_in_the_last_stage():
    commands = [item.value for item in IMAGE.all("RUN")]

    assert "-slim-" in IMAGE.base
    assert [command for command in commands if re.search(BUILD_TOOLS, command)] == []


def test_the_last_stage_takes_exactly_the_environment_that_the_builder_made():
    made = re.search(r"venv .*?(/\S+)$", BUILDER.all("RUN")[0].value)[1]
    taken = [item.value.split() for item in IMAGE.all("COPY") if "from" in item.flags]

    assert taken == [[made, made]]  # scripts name their interpreter by its full path
    assert IMAGE.environment()["PATH"].split(":")[0] == f"{made}/bin"


def test_every_stage_that_is_copied_from_exists():
    named = {stage.name for stage in STAGES}

    assert {item.flags["from"] for item in IMAGE.all("COPY") if "from" in item.flags} <= named


def test_the_service_runs_as_a_numbered_user_without_rights():
    user, group = IMAGE.last("USER").split(":")
    created = next(item.value for item in IMAGE.all("RUN") if "useradd" in item.value)

    assert min(int(user), int(group)) >= 10_000
    assert f"--uid {user} " in created


def test_the_service_cannot_change_its_own_files():
    flags = [item.flags for item in IMAGE.all("COPY")]

    assert not any({"chown", "chmod"} & set(flag) for flag in flags)
    assert not any("chown" in item.value for item in IMAGE.all("RUN"))


@pytest.mark.parametrize("source", COPIED)
def test_every_copied_file_exists_and_reaches_the_build(source):
    assert (ROOT / source).exists()
    assert not IGNORE.excludes(source)


def test_every_file_of_the_package_reaches_the_build():
    files = [path for path in (ROOT / "app").rglob("*") if path.suffix in {".py", ".lua", ".html"}]

    assert len(files) > 50
    assert [path for path in files if IGNORE.excludes(path.relative_to(ROOT).as_posix())] == []


def test_nothing_reaches_the_build_that_it_does_not_copy():
    names = {path.name for path in ROOT.iterdir()} | {".env", ".git", ".venv", "samples", "tests"}

    assert {name for name in names if not IGNORE.excludes(name)} <= set(COPIED)


def test_local_leftovers_stay_out_of_the_build():
    leftovers = [
        "app/__pycache__/main.cpython-311.pyc",
        "model_store/m/.publishing-x/a",
        "app/.env",
    ]

    assert [path for path in leftovers if not IGNORE.excludes(path)] == []


def test_the_builder_installs_what_the_project_depends_on_and_then_the_project():
    runs = [item.value for item in BUILDER.all("RUN")]

    assert ["requirements.txt" in run for run in runs] == [False, True, False]
    assert runs[-1].endswith("install --no-deps .")
    assert {PROJECT["readme"], *PROJECT["license-files"], "app"} <= set(COPIED)


@pytest.mark.parametrize("chosen", [[], ["s3fs", "gcsfs>=2025"]])
def test_the_list_of_dependencies_is_read_from_the_project(chosen):
    script = re.search(r'python -c ("(?:[^"])*")', BUILDER.all("RUN")[1].value)[1]

    listed = subprocess.run(  # noqa: S602 - our own Dockerfile, by the shell that will run it
        f"{sys.executable} -c {script}",
        shell=True,
        cwd=ROOT,
        capture_output=True,
        check=True,
        env={**os.environ, "FSSPEC_PACKAGES": " ".join(chosen)},
    )

    extras = PROJECT["optional-dependencies"]
    served = [*PROJECT["dependencies"], *extras["signing"], *extras["remote"]]
    assert listed.stdout.decode().splitlines() == [*served, *chosen]


def test_an_index_is_a_choice_at_build_time_and_no_host_is_named():
    text = (ROOT / "Dockerfile").read_text()

    assert [item.value for item in BUILDER.all("ARG")] == [
        "PIP_INDEX_URL",
        "PIP_EXTRA_INDEX_URL",
        "FSSPEC_PACKAGES",
    ]
    assert set(re.findall(r"https?://([^\s/'\":]+)", text)) == {"127.0.0.1"}


def test_the_image_is_the_command_of_the_project():
    assert exec_form(IMAGE.last("ENTRYPOINT")) == list(PROJECT["scripts"])
    assert exec_form(IMAGE.last("CMD")) == ["serve"]
    assert IMAGE.last("STOPSIGNAL") == "SIGTERM"


def test_every_variable_of_the_image_is_a_setting_with_a_valid_value():
    given = settings_in(IMAGE.environment())

    settings = Settings(**given)

    assert set(given) <= set(Settings.model_fields)
    assert settings.host == "0.0.0.0"  # noqa: S104 - a container is reached from outside it
    assert settings.port == int(IMAGE.last("EXPOSE")) == Settings.model_fields["port"].default


def test_the_shipped_models_are_where_the_service_looks():
    settings = Settings(**settings_in(IMAGE.environment()))
    copied = next(item.value for item in IMAGE.all("COPY") if item.value.startswith("model_store"))

    assert f"{IMAGE.last('WORKDIR')}/{copied.split()[1]}" == str(settings.model_store)


@pytest.mark.parametrize(("status", "exit_code"), [(200, 0), (503, 1)])
def test_the_health_check_is_the_readiness_of_the_service(status, exit_code):
    with answering(status) as (port, paths):
        checked = run_health_check(port)

    assert (checked.returncode, paths) == (exit_code, [READY])
    assert READY in routes()


def test_a_service_that_is_gone_is_unhealthy():
    with answering(200) as (port, _):
        pass

    assert run_health_check(port).returncode == 1


def test_the_health_check_does_not_ask_a_proxy():
    with answering(503) as (proxy, asked), answering(200) as (port, _):
        checked = run_health_check(port, http_proxy=f"http://127.0.0.1:{proxy}")

    assert (checked.returncode, asked) == (0, [])


def run_health_check(port, **environment):
    command = IMAGE.last("HEALTHCHECK")
    assert command.startswith("CMD ")
    python, *arguments = exec_form(command.removeprefix("CMD "))
    assert python == "python"
    variables = {**os.environ, **environment, "CTR_PORT": str(port)}
    return subprocess.run(  # noqa: S603 - our own Dockerfile
        [sys.executable, *arguments], env=variables, capture_output=True, check=False
    )


@contextmanager
def answering(status) -> Iterator[tuple[int, list[str]]]:
    """A server that answers everything with this status, its port and the paths it was asked."""
    paths = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            paths.append(self.path)
            self.send_response(status)
            self.end_headers()

        def log_message(self, *_): ...

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port, paths
        finally:
            server.shutdown()
            thread.join()
