"""From the model store into memory: read, verified, self-tested and warm."""

import logging
from dataclasses import dataclass

import torch

from app.errors import StartupRefused, one_line
from app.inference.batch_policy import BatchPolicy
from app.inference.cost_model import Size
from app.inference.fused.runtime import KeptStates
from app.monitoring.metrics import Metrics
from app.recording.recorder import Recorder
from app.registry.loaded_version import LoadedVersion, load_version
from app.registry.model_store import ModelStore
from app.registry.recording import RecordingObserver
from app.registry.servable import Running, Servable
from app.registry.version_states import VersionKey

MAX_REASON_CHARS = 500  # torch names every weight that is missing

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a version cannot be served, in one line."""

    reason: str  # as anyone may read it
    detail: str  # with paths, for the log


class VersionLoader:
    """Loads versions as all of them are run in this process."""

    def __init__(
        self,
        store: ModelStore,
        device: torch.device,
        policy: BatchPolicy,
        metrics: Metrics,
        running: Running,
        recorder: Recorder | None = None,
    ) -> None:
        self._recorder = recorder
        self.store = store
        self._device = device
        self._policy = policy
        self._metrics = metrics
        self._running = running

    def load(self, key: VersionKey) -> LoadedVersion:
        """Blocks; any thread may call it. Raises ArtifactRefused or StartupRefused."""
        with self._metrics.load_seconds.labels(key.name).time():
            artifact = self.store.load(key.name, key.version)
            kept = KeptStates(self._running.user_states, artifact.reference)
            return load_version(
                artifact,
                self._device,
                self._running.runtime,
                kept,
                recorded=self._recorded_sizes(key.name),
            )

    def try_to_load(self, key: VersionKey) -> LoadedVersion | Refusal:
        """An error would keep alive, by its traceback, what had been read so far."""
        try:
            return self.load(key)
        except StartupRefused as refused:
            return self._refusal(refused)
        except Exception as error:
            log.exception("a version could not be loaded", extra={"model": str(key)})
            unexpected = f"{key}: {type(error).__name__}: {one_line(error)}"
            return self._refusal(StartupRefused(unexpected))

    def _recorded_sizes(self, name: str) -> list[Size]:
        """As far as one batch takes them: longer lists are computed in parts."""
        if self._recorder is None:
            return []
        most_pairs = self._policy.max_batch_pairs
        return [
            Size(min(candidates, max(1, most_pairs // Size(1, behaviors).pairs)), behaviors)
            for candidates, behaviors in self._recorder.recent_shapes(name)
        ]

    def open(self, version: LoadedVersion) -> Servable:
        """On the event loop's thread, whose priority the engine threads take over.

        Raises StartupRefused where the system has no more threads or descriptors.
        """
        try:
            servable = Servable(version, self._policy, self._metrics, self._running)
        except (OSError, RuntimeError) as error:
            raise StartupRefused(f"{version.reference}: {error}") from error
        if self._recorder is not None:
            servable.observers = (RecordingObserver(self._recorder, version),)
        return servable

    def try_to_open(self, version: LoadedVersion) -> Servable | Refusal:
        try:
            return self.open(version)
        except StartupRefused as refused:
            return self._refusal(refused)

    def _refusal(self, refused: StartupRefused) -> Refusal:
        reason, detail = self.store.public_reason(refused), str(refused)
        return Refusal(_shortened(reason), _shortened(detail))


def _shortened(reason: str) -> str:
    return reason if len(reason) <= MAX_REASON_CHARS else f"{reason[: MAX_REASON_CHARS - 2]} …"
