"""The exported model is the same model: what peers answer with it is what our engine says."""

import pytest

from app.core.calibration import Platt
from app.models.dien.config import DienConfig
from app.models.din.config import DinConfig
from app.registry.model_store import ModelStore
from bench.race.agreement import TOLERANCE, difference, make_samples, write_samples
from bench.race.export import export
from bench.race.peers.exported_dien import ExportedDien
from bench.race.per_row_dien import NotExportable, per_row_dien
from bench.race.workload import KnownIds
from tests.artifacts import SIDE_FIELDS, SMALL, TINY_DIEN, publish_tiny_version

# TorchScript is what these servers are given most often; that torch would rather have another.
pytestmark = pytest.mark.filterwarnings("ignore:`torch.jit:DeprecationWarning")


def artifact_of(root, **version):
    manifest = publish_tiny_version(root, **{"side_fields": (), **version})
    return ModelStore(root).load(manifest.name, manifest.version)


def test_a_peer_answers_what_our_engine_answers(tmp_path, redis_url, monkeypatch):
    artifact = artifact_of(tmp_path, calibration=Platt(slope=1.3, offset=-0.4), max_behaviors=60)
    samples = make_samples(artifact, KnownIds.of(artifact))
    write_samples(redis_url, samples)
    monkeypatch.setenv("RACE_EXPORT", str(export(artifact, tmp_path / "export").folder))
    monkeypatch.setenv("RACE_REDIS_URL", redis_url)
    monkeypatch.setenv("RACE_TORCH_THREADS", "1")

    answers = ExportedDien().score(samples.bodies)

    assert samples.spread > 0.1
    for answer, expected in zip(answers, samples.expected, strict=True):
        assert difference(answer, expected) < TOLERANCE / 10


def test_an_answer_that_leaves_an_ad_out_does_not_agree():
    assert difference({"a": 0.5}, {"a": 0.5, "b": 0.5}) == float("inf")


@pytest.mark.parametrize(
    ("version", "reason"),
    [
        ({"architecture": DinConfig(**SMALL)}, "needs a DIEN"),
        ({"architecture": TINY_DIEN.model_copy(update={"evolution": "agru"})}, "AUGRU"),
        ({"architecture": DienConfig(hidden_size=8, attention="dot", **SMALL)}, "mlp attention"),
        ({"side_fields": SIDE_FIELDS}, "items and categories"),
    ],
)
def test_another_model_is_refused_with_the_reason(tmp_path, version, reason):
    with pytest.raises(NotExportable, match=reason):
        per_row_dien(artifact_of(tmp_path, **version))
