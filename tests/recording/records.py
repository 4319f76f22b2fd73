"""A recorder whose every request is kept, and what it has written."""

from contextlib import contextmanager

from app.monitoring.metrics import Metrics
from app.recording.record_files import RecordFiles, read_records
from app.recording.recorded_request import Origin
from app.recording.recorder import Recorder

KEY = b"a key"
ROOMY = 2**20


@contextmanager
def recorder_in(folder, *, metrics=None, share=1.0, max_bytes=ROOMY, key=KEY):
    recorder = Recorder(RecordFiles(folder, max_bytes), metrics or Metrics(), share=share, key=key)
    try:
        yield recorder
    finally:
        recorder.close()


def origin_of(version):
    manifest, runtime = version.manifest, version.runtime
    return Origin(manifest.name, manifest.version, runtime.name, runtime.detail, manifest.features)


def record_all(recorder, version, requests, *, user_row_of=lambda _: None):
    """As they are scored together."""
    for (user, candidates), scores in zip(requests, version.score(requests), strict=True):
        recorder.record(origin_of(version), user, candidates, scores.logits_C, user_row_of)


def written_in(folder):
    return list(read_records(folder))


def outcomes(metrics):
    names = ("written", "queue_full", "not_written")
    return {name: metrics.recorded_requests.labels(name)._value.get() for name in names}
