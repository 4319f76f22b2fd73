"""Hands what a version was asked and what it said to the recorder."""

from functools import partial

import numpy as np

from app.core.keys import key_of
from app.core.request import Candidates, UserContext
from app.errors import CtrError
from app.recording.recorded_request import Origin
from app.recording.recorder import Recorder
from app.registry.loaded_version import LoadedVersion
from app.registry.servable import ScoredRequest


class RecordingObserver:
    """Of one version."""

    def __init__(self, recorder: Recorder, version: LoadedVersion) -> None:
        manifest, runtime = version.manifest, version.runtime
        self._recorder = recorder
        self._user_row_of = partial(_user_row, version)
        self._origin = Origin(
            manifest.name, manifest.version, runtime.name, runtime.detail, manifest.features
        )

    def scored(
        self, user: UserContext, candidates: Candidates, scored: ScoredRequest, _seconds: float
    ) -> None:
        self._recorder.record(
            self._origin, user, candidates, scored.scores.logits_C, self._user_row_of
        )

    def failed(self, user: UserContext, error: CtrError, seconds: float) -> None:
        """There are no scores to record."""


def _user_row(version: LoadedVersion, user_id: str) -> int | None:
    if version.encoder.schema.user_id is None:
        return None
    key_1 = np.array([key_of(user_id)], np.uint64)
    return int(version.encoder.vocabularies["user_id"].rows_of(key_1)[0])
