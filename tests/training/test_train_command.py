"""`ctr-serve prepare` and `train`: from files to a version that serving loads."""

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal, get_args, get_origin

import numpy as np
import pytest
import torch

from app.cli.train import train
from app.core.calibration import Platt, ctr_of
from app.core.schema import DenseSideField, SparseSideField
from app.errors import ArtifactRefused, StartupRefused
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.models.factory import build_model
from app.models.layers.attention_config import AttentionName
from app.models.layers.recurrence import AugruForm, Evolution
from app.models.layers.reset_gates import ResetGate
from app.registry.golden import verify
from app.registry.manifest import Metrics
from app.registry.model_store import Artifact, ModelStore
from app.training.encoding import encode_samples
from app.training.evaluation import auc, evaluate
from app.training.features import Features
from app.training.offline import engine_of, score_samples
from app.training.options import CalibrationKind
from app.training.prediction import predict
from app.training.samples import Samples, read_samples
from app.training.side_fields import fields_of
from tests.training.builders import planted_folder, sample, write_rows
from tests.training.commands import QUICK_OPTIONS, ctr_serve, train_planted

SIDE_FIELDS = ("--field=context:device:sparse:3", "--field=candidate:price:dense", "--user-id")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("samples"), users=120, click_rate=0.3)


@pytest.fixture(scope="module")
def store(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """With one version, which reads side fields."""
    root = tmp_path_factory.mktemp("store")
    train_planted(samples, root, *SIDE_FIELDS)
    return ModelStore(root)


@pytest.fixture(scope="module")
def artifact(store: ModelStore) -> Artifact:
    return store.load("ads", "1")


@pytest.fixture(scope="module")
def test_samples(samples: Path, artifact: Artifact) -> Samples:
    return read_samples(samples / "test.tsv", fields_of(artifact.manifest.features))


def test_a_trained_version_is_active_and_says_where_it_comes_from(
    samples: Path, store: ModelStore, artifact: Artifact
) -> None:
    manifest = artifact.manifest
    train_samples = read_samples(samples / "train.tsv")

    assert store.active_versions() == {"ads": "1"}
    assert set(manifest.training.samples) == {"train.tsv", "valid.tsv", "test.tsv"}
    assert manifest.training.epochs == 2
    assert manifest.training.options["learning_rate"] == 0.01
    assert manifest.training.options["side_fields"] == (
        "context:device:sparse:3 candidate:price:dense"
    )
    assert manifest.prior_ctr == pytest.approx(train_samples.labels_C.mean())
    assert manifest.metrics["test"].rows == 480


def test_its_features_are_the_declared_ones(artifact: Artifact) -> None:
    schema = artifact.manifest.features

    device, price = schema.side_fields
    assert schema.user_id is not None
    assert isinstance(device, SparseSideField)
    assert (device.source, device.name, device.embedding_dim) == ("context", "device", 3)
    assert isinstance(price, DenseSideField)
    assert (price.source, price.name) == ("candidate", "price")
    assert price.mean == pytest.approx(5, abs=0.5)


def test_scores_as_in_serving_are_those_of_training(
    artifact: Artifact, test_samples: Samples
) -> None:
    manifest = artifact.manifest
    model = build_model(manifest.architecture, manifest.features)
    model.load_state_dict(dict(artifact.weights))
    encoded = encode_samples(test_samples, Features(manifest.features, artifact.vocabularies))

    offline_C = score_samples(artifact, test_samples)

    assert offline_C.dtype == np.float64
    calibrated_C = ctr_of(predict(model, encoded), manifest.calibration)
    np.testing.assert_allclose(offline_C, calibrated_C, atol=1e-6)
    metrics = evaluate(offline_C, encoded.labels_C, encoded.user_ids_C)
    assert metrics.auc == pytest.approx(manifest.metrics["test"].auc, abs=1e-6)


def test_the_metrics_are_of_calibrated_ctrs_beside_those_of_the_model_alone(
    artifact: Artifact,
) -> None:
    manifest = artifact.manifest
    served, own = manifest.metrics, manifest.metrics_uncalibrated

    assert isinstance(manifest.calibration, Platt)
    assert served["valid"].pcoc == pytest.approx(1, abs=1e-6)
    assert own["valid"].pcoc != pytest.approx(1, abs=1e-6)
    for split in ("valid", "test"):
        assert served[split].auc == pytest.approx(own[split].auc, abs=1e-12)
        assert served[split].ece != own[split].ece


@pytest.mark.parametrize("kind", get_args(CalibrationKind))
def test_negatives_that_training_did_not_see_are_restored(
    samples: Path, tmp_path: Path, kind: str
) -> None:
    options = (f"--calibration={kind}", "--negatives-kept=0.25", "--limit-rows=200")

    answer = train_planted(samples, tmp_path, *options)

    manifest = ModelStore(tmp_path).read_manifest("ads", "1")
    mean = read_samples(samples / "train.tsv", limit_rows=200).labels_C.mean()
    assert manifest.prior_ctr == pytest.approx(mean / (mean + (1 - mean) / 0.25))
    assert manifest.training.options["negatives_kept"] == 0.25
    assert (manifest.calibration.kind, manifest.calibration.negatives_kept) == (kind, 0.25)
    assert answer["calibration"] == json.loads(manifest.calibration.model_dump_json())
    assert answer["metrics"]["test"] != answer["metrics_uncalibrated"]["test"]


def test_a_version_knows_what_its_ads_are_worth_without_the_model(
    artifact: Artifact, test_samples: Samples
) -> None:
    manifest = artifact.manifest
    encoded = encode_samples(test_samples, Features(manifest.features, artifact.vocabularies))

    ctr_C = artifact.priors.ctr_of(encoded.batch.candidates_CF)

    measured = manifest.ladder[-1]
    assert measured.degraded == "prior"
    assert measured.metrics["test"].auc == pytest.approx(auc(ctr_C, encoded.labels_C))
    assert artifact.priors.mean_ctr == manifest.prior_ctr
    assert len(np.unique(ctr_C)) > 20


def test_golden_requests_cover_the_edges(artifact: Artifact) -> None:
    requests = artifact.golden.requests
    lengths = [len(request.behaviors) for request in requests]
    encoder = Encoder(artifact.manifest.features, artifact.vocabularies)
    encoded = encoder.encode([request.as_request() for request in requests])

    assert len(requests) == 8
    assert {0, 1} <= set(lengths)
    assert max(lengths) > artifact.manifest.features.max_behaviors
    assert encoded.unknown.behaviors_U[-1] + encoded.unknown.candidates_U[-1] > 4
    assert all(set(request.candidates) >= {"item_id", "price"} for request in requests)
    assert all(request.context["device"] in ("phone", "desktop") for request in requests)


@pytest.mark.parametrize("table", ["item_id", "category_id", "user_id", "device"])
def test_permuted_embedding_rows_are_noticed(artifact: Artifact, table: str) -> None:
    name = f"embedding.tables.{table}.weight"
    weights = dict(artifact.weights)
    weights[name] = torch.cat([weights[name][:2], weights[name][2:].roll(1, dims=0)])
    broken = replace(artifact, weights=weights)

    with pytest.raises(ArtifactRefused, match="scores differ"):
        _verify(broken)
    _verify(artifact)


def test_the_next_training_is_the_next_version(samples: Path, tmp_path: Path) -> None:
    answers = [
        train_planted(samples, tmp_path, "--limit-rows=200", *options)
        for options in ((), ("--no-activate",))
    ]

    assert [answer["version"] for answer in answers] == ["1", "2"]
    assert [answer["activated"] for answer in answers] == [True, False]
    assert ModelStore(tmp_path).active_versions() == {"ads": "1"}


def test_the_json_has_metrics_and_the_baseline(samples: Path, tmp_path: Path) -> None:
    answer = train_planted(samples, tmp_path, "--limit-rows=200")

    assert answer["name"] == "ads"
    assert set(answer["metrics"]) == set(answer["popularity"]) == {"valid", "test"}
    assert set(answer["metrics"]["test"]) == set(Metrics.model_fields)
    assert None not in answer["metrics"]["test"].values()
    assert [epoch["epoch"] for epoch in answer["epochs"]] == [1, 2]


def test_the_table_compares_with_popularity(samples: Path, tmp_path: Path) -> None:
    files = (f"--samples={samples}", f"--store={tmp_path}")

    printed = ctr_serve("train", *files, *QUICK_OPTIONS, "--limit-rows=200")

    assert "dien@1" in printed
    assert "popularity" in printed
    assert "uncalibrated" in printed
    assert "ECE" in printed


def test_a_table_says_what_degraded_answers_are_worth(samples: Path, tmp_path: Path) -> None:
    files = (f"--samples={samples}", f"--store={tmp_path}")

    printed = ctr_serve("train", *files, *QUICK_OPTIONS, "--limit-rows=200")

    rungs = [rung.degraded for rung in ModelStore(tmp_path).read_manifest("dien", "1").ladder]
    assert set(rungs) == {"stale_history", "truncated_history", "no_history", "prior"}
    assert all(rung in printed for rung in rungs)


def test_prepared_samples_can_be_trained_on(tmp_path: Path) -> None:
    lines = ["user_id\titem_id\tcate_id\ttimestamp"]
    lines += [f"u{u}\ti{(u + 3 * t) % 17}\tc{u % 3}\t{t}" for u in range(30) for t in range(5)]
    (tmp_path / "clicks.tsv").write_text("\n".join(lines))

    rows = json.loads(ctr_serve("prepare", tmp_path / "clicks.tsv", tmp_path / "out", "--json"))
    answer = train_planted(tmp_path / "out", tmp_path / "store")

    assert rows["rows"] == {"train": 120, "valid": 60, "test": 60}
    assert answer["metrics"]["test"]["rows"] == 60


def test_samples_without_any_history_can_be_trained_on(tmp_path: Path) -> None:
    rows = [sample(label, f"u{user}", f"i{label}") for user in range(50) for label in (0, 1)]
    for split in ("train", "valid", "test"):
        write_rows(tmp_path / f"{split}.tsv", rows)

    answer = train_planted(tmp_path, tmp_path / "store")

    assert answer["metrics"]["test"]["auc"] > 0.9


def test_options_offer_what_the_model_has() -> None:
    parameters = {
        name: _choices(get_args(annotation)[0])
        for name, annotation in train.__annotations__.items()
        if get_args(annotation)
    }

    assert parameters["evolution"] == get_args(Evolution)
    assert parameters["augru"] == get_args(AugruForm)
    assert parameters["reset_gate"] == get_args(ResetGate)
    assert parameters["attention"] == get_args(AttentionName)


def test_samples_without_both_labels_are_refused(tmp_path: Path) -> None:
    for split in ("train", "valid", "test"):
        write_rows(tmp_path / f"{split}.tsv", [sample(1), sample(1)])

    with pytest.raises(StartupRefused, match=r"train.tsv: all labels are 1"):
        train_planted(tmp_path, tmp_path)


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--name=../up",), "cannot name a model"),
        (("--field=context:device",), "SOURCE:NAME:KIND"),
        (("--field=context:weather:sparse",), "no column 'weather'"),
        (("--samples=nowhere",), "nowhere/train.tsv is not a file"),
    ],
    ids=["name", "field", "column", "folder"],
)
def test_a_run_that_cannot_work_is_refused_before_it_starts(
    samples: Path, tmp_path: Path, options: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(StartupRefused, match=reason):
        train_planted(samples, tmp_path, *options)

    assert not list(tmp_path.iterdir())


def test_a_file_in_the_place_of_the_store_is_refused_before_training(
    samples: Path, tmp_path: Path
) -> None:
    (tmp_path / "store").write_text("in the way")

    with pytest.raises(StartupRefused, match="store cannot be a model store"):
        train_planted(samples, tmp_path / "store")


@pytest.mark.parametrize(
    "command",
    ["train --samples x", "prepare x y", "evaluate x --samples y"],
    ids=["train", "prepare", "evaluate"],
)
def test_without_the_train_extra_a_command_says_how_to_get_it(command: str) -> None:
    without_polars = "import sys; sys.modules['polars'] = None; from app.cli import main; main()"

    ended = subprocess.run(  # noqa: S603 - this interpreter, with constant arguments
        [sys.executable, "-c", without_polars, *command.split()],
        capture_output=True,
        text=True,
        check=False,
    )

    assert ended.returncode == 2
    assert ended.stderr.startswith("ctr-serve: ")
    assert "ctr-serve[train]" in ended.stderr
    assert ended.stderr.count("\n") == 1


def _choices(option: Any) -> tuple[Any, ...]:
    """What a literal offers, also where it may be left out."""
    first = get_args(option)[:1]
    return get_args(first[0]) if first and get_origin(first[0]) is Literal else get_args(option)


def _verify(artifact: Artifact) -> None:
    engine: Engine = engine_of(artifact)
    encoder = Encoder(artifact.manifest.features, artifact.vocabularies)
    verify(artifact.golden, encoder, engine.score, artifact.manifest.calibration)
