"""This project's deployment files, parsed once, and the questions that several tests ask."""

import re
import shlex
import tomllib
from pathlib import Path

import yaml

from app.settings import PREFIX, Settings
from tests.deploy.dockerfile import parse
from tests.deploy.dockerignore import DockerIgnore

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

STAGES = parse((ROOT / "Dockerfile").read_text())
BUILDER, IMAGE = STAGES[0], STAGES[-1]
IGNORE = DockerIgnore((ROOT / ".dockerignore").read_text())

STACK_TEXT = (ROOT / "docker-compose.yml").read_text()
STACK = yaml.safe_load(STACK_TEXT)
SERVICES = STACK["services"]
VOLUMES = [
    (name, *volume.split(":"))
    for name, service in SERVICES.items()
    for volume in service["volumes"]
]

PROMETHEUS = yaml.safe_load((ROOT / "deploy/prometheus/prometheus.yml").read_text())
(JOB,) = PROMETHEUS["scrape_configs"]

SECONDS = {"s": 1, "m": 60}
BYTES = {"k": 2**10, "m": 2**20, "g": 2**30}


def settings_in(environment):
    """The CTR_* variables under the names of their settings."""
    return {
        name.removeprefix(PREFIX).lower(): value
        for name, value in environment.items()
        if name.startswith(PREFIX)
    }


def settings_of_the_service():
    """What the image and the stack together set."""
    environment = {**IMAGE.environment(), **SERVICES["ctr-serve"]["environment"]}
    return Settings(**settings_in(environment))


def target_of(service, source):
    """Where a service sees a file or folder of the repository, or a volume."""
    return next(target for name, host, target, *_ in VOLUMES if (name, host) == (service, source))


def published_port(service):
    (published,) = SERVICES[service]["ports"]
    return int(published.split(":")[-1])


def redis_options():
    """The arguments of Redis as name and value."""
    program, *arguments = shlex.split(SERVICES["redis"]["command"])
    assert program == "redis-server"
    names = [name.removeprefix("--") for name in arguments[::2]]
    return dict(zip(names, arguments[1::2], strict=True))


def seconds_of(duration):
    number, unit = re.fullmatch(r"(\d+)([sm])", duration).groups()
    return int(number) * SECONDS[unit]


def bytes_of(size):
    number, unit = re.fullmatch(r"(\d+)([kmg])b?", size).groups()
    return int(number) * BYTES[unit]
