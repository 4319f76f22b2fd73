"""Who races, and with which settings: everything that a fair-minded reader may want to change."""

import os
import shutil
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from bench.race.environments import NotInstallable, environment_of

PEERS = Path(__file__).parent / "peers"
OURS = "ctr-serve"

# Ours as it comes; how long an answer may take, each request says itself (`measuring`).
OUR_SETTINGS: Mapping[str, str] = {"CTR_LOG_LEVEL": "WARNING"}


@dataclass(frozen=True, slots=True)
class PeerSettings:
    """A peer on two cores: a process per core, and batches of requests as it makes them."""

    workers: int = 2
    torch_threads: int = 1  # inside one operation of one worker
    batch: int = 2  # requests computed together at most
    wait_ms: float = 1.0  # for more of them

    def variables(self) -> dict[str, str]:
        """As the peers' services read them."""
        return {
            "RACE_WORKERS": str(self.workers),
            "RACE_TORCH_THREADS": str(self.torch_threads),
            "OMP_NUM_THREADS": str(self.torch_threads),
            "RACE_BATCH": str(self.batch),
            "RACE_WAIT_MS": str(self.wait_ms),
            "RACE_LATENCY_MS": "1000",  # BentoML sheds what it expects to take longer
        }


PEER_SETTINGS: Mapping[str, PeerSettings] = {
    "fastapi": PeerSettings(batch=1, wait_ms=0),
    "litserve": PeerSettings(),
    "mosec": PeerSettings(),
    "bentoml": PeerSettings(),
    "ray": PeerSettings(),
    "torchserve": PeerSettings(),
}
CONTESTANTS = (OURS, *PEER_SETTINGS)


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """The one model that everybody serves: in our store, and exported for the peers."""

    store: Path
    name: str
    export: Path


@dataclass(frozen=True, slots=True)
class Contestant:
    """How a server is started, and how it wants to be asked."""

    name: str
    command: tuple[str, ...]
    variables: Mapping[str, str] = field(default_factory=dict)
    path: str = "/rank"
    wrap: tuple[bytes, bytes] = (b"", b"")  # around the JSON of a request


class NotStartable(Exception):
    """A contestant that cannot run here; the message says why, in one line."""


def contestant(
    name: str, checkpoint: Checkpoint, *, redis_url: str, port: int, cache: Path
) -> Contestant:
    """Ready to be started on that port. Raises NotStartable."""
    if name == OURS:
        return _ours(checkpoint, redis_url, port)
    if name == "torchserve" and shutil.which("java") is None:
        raise NotStartable("TorchServe needs Java, and there is none on PATH")
    try:
        python = environment_of(name, cache)
    except NotInstallable as problem:
        raise NotStartable(str(problem)) from problem
    variables = {
        **PEER_SETTINGS[name].variables(),
        "RACE_PORT": str(port),
        "RACE_EXPORT": str(checkpoint.export.resolve()),
        "RACE_REDIS_URL": redis_url,
        "PYTHONPATH": str(PEERS),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    if name == "torchserve":
        return _torchserve(python, variables, port, cache)
    if name == "bentoml":
        serve = ("serve", "bentoml_service:Ranker", "--host", "127.0.0.1", "--port", str(port))
        command = (str(python), "-m", "bentoml", *serve, "--working-dir", str(PEERS))
        variables |= {"BENTOML_HOME": str(cache / "bentoml"), "BENTOML_DO_NOT_TRACK": "True"}
        return Contestant(name, command, variables, wrap=(b"[", b"]"))
    script = (str(python), str(PEERS / f"{name}_service.py"))
    address = ("--address", "127.0.0.1", "--port", str(port)) if name == "mosec" else ()
    return Contestant(name, (*script, *address), variables)


def _ours(checkpoint: Checkpoint, redis_url: str, port: int) -> Contestant:
    variables = {
        **OUR_SETTINGS,
        "CTR_REDIS_URL": redis_url,
        "CTR_MODEL_STORE": str(checkpoint.store),
        "CTR_DEFAULT_MODEL": checkpoint.name,
    }
    command = (sys.executable, "-m", "app", "serve", "--port", str(port))
    return Contestant(OURS, command, variables, path="/v1/rank")


def _torchserve(python: Path, variables: Mapping[str, str], port: int, cache: Path) -> Contestant:
    folder = cache / "torchserve"
    model = folder / "store" / "dien"
    model.joinpath("MAR-INF").mkdir(parents=True, exist_ok=True)
    shutil.copy(PEERS / "torchserve_handler.py", model)
    settings = PEER_SETTINGS["torchserve"]
    manifest = '{"model": {"modelName": "dien", "handler": "torchserve_handler.py", %s}, %s}'
    model.joinpath("MAR-INF", "MANIFEST.json").write_text(
        manifest
        % (
            '"modelVersion": "1.0", "configFile": "model-config.yaml"',
            '"runtime": "python", "archiverVersion": "0.12.0", "createdOn": ""',
        )
    )
    model.joinpath("model-config.yaml").write_text(
        f"minWorkers: {settings.workers}\nmaxWorkers: {settings.workers}\n"
        f"batchSize: {settings.batch}\nmaxBatchDelay: {max(1, round(settings.wait_ms))}\n"
        "responseTimeout: 60\n"
    )
    properties = folder / "config.properties"
    properties.write_text(
        f"inference_address=http://127.0.0.1:{port}\n"
        f"management_address=http://127.0.0.1:{port + 1}\n"
        f"metrics_address=http://127.0.0.1:{port + 2}\n"
        "job_queue_size=1024\nenable_envvars_config=false\ndisable_system_metrics=true\n"
    )
    start = ("--start", "--foreground", "--ncs", "--disable-token-auth", "--no-config-snapshots")
    files = ("--model-store", str(folder / "store"), "--ts-config", str(properties))
    command = (str(python.parent / "torchserve"), *start, *files, "--models", "dien=dien")
    logs = {"LOG_LOCATION": str(folder), "METRICS_LOCATION": str(folder), "TEMP": str(folder)}
    return Contestant("torchserve", command, {**variables, **logs}, path="/predictions/dien")
