"""`ctr-serve ensemble`: versions that exist become one that is served like any other."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from app.core.calibration import Uncalibrated
from app.core.schema import DenseSideField
from app.errors import ArtifactRefused, StartupRefused
from app.models.ensemble.config import EnsembleConfig
from app.registry.model_store import WEIGHTS, ModelStore
from app.registry.priors import SmoothedRates
from app.training.offline import score_logits
from app.training.samples import read_samples
from tests.api.bodies import body, ctr_by_ad
from tests.artifacts import SIDE_FIELDS, TINY_ARCHITECTURES, TINY_RATES, publish_tiny_version
from tests.serving import patient, serving
from tests.training.builders import planted_folder
from tests.training.commands import ctr_serve, train_planted


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """Versions without metrics: two of "dien", one of "din", and some that read otherwise."""
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root, "dien", seed=1)
    publish_tiny_version(root, "dien", seed=2)
    publish_tiny_version(root, "din", seed=3, architecture=TINY_ARCHITECTURES["din"])
    publish_tiny_version(root, "short", max_behaviors=3)
    publish_tiny_version(root, "bare", side_fields=SIDE_FIELDS[:2])
    cheap = DenseSideField(name="price", source="candidate", mean=1.0, std=2.0)
    publish_tiny_version(root, "cheap", side_fields=(*SIDE_FIELDS[:2], cheap))
    return ModelStore(root)


def combine(store: ModelStore, name: str, *arguments: object) -> dict[str, Any]:
    printed = ctr_serve("ensemble", name, *arguments, f"--store={store.root}", "--json")
    answer: dict[str, Any] = json.loads(printed)
    return answer


def test_weights_are_equal_unless_given_and_scaled_to_shares(store: ModelStore) -> None:
    plain = combine(store, "plain", "dien@1", "din")
    uneven = combine(store, "uneven", "dien@1", "din@1", "--weights=6,2")

    weights = [
        [member.weight for member in architecture.members]
        for answer in (plain, uneven)
        if isinstance(
            architecture := store.read_manifest(answer["name"], "1").architecture, EnsembleConfig
        )
    ]
    assert weights == [[0.5, 0.5], [0.75, 0.25]]
    assert plain["members"] == uneven["members"] == ["dien@1", "din@1"]


def test_the_version_is_complete_without_its_members(store: ModelStore) -> None:
    combine(store, "copy", "dien@1", "din@1")

    combined = store.load("copy", "1")
    for index, (name, version) in enumerate([("dien", "1"), ("din", "1")]):
        member = store.load(name, version)
        made_from = combined.manifest.training.made_from[member.reference]
        assert made_from == member.manifest.files[WEIGHTS].sha256
        for weight, tensor in member.weights.items():
            assert combined.weights[f"members.{index}.{weight}"].equal(tensor)
    assert len(combined.golden.requests) == 2  # both members were published with the same


def test_it_is_served_beside_its_members_and_lies_between_them(
    store: ModelStore, redis_server: str
) -> None:
    combine(store, "served", "dien@2", "din@1")

    with serving(patient(model_store=store.root), redis_server) as running:
        served, dien, din = (
            ctr_by_ad(running.ranking(body(model=model))) for model in ("served", "dien", "din")
        )
        described = running.client.get("/v1/models/served").json()

    for ad, ctr in served.items():
        odds = np.sqrt(dien[ad] / (1 - dien[ad]) * din[ad] / (1 - din[ad]))
        assert ctr == pytest.approx(odds / (1 + odds), abs=1e-6)
    assert described["architecture"]["name"] == "ensemble"


def test_its_priors_are_the_mean_of_its_members(store: ModelStore) -> None:
    other = [
        SmoothedRates(rates.own_V[::-1].copy() / 2, rates.parent_share_V / 2)
        for rates in TINY_RATES
    ]
    publish_tiny_version(store.root, "rated", rates=TINY_RATES)
    publish_tiny_version(store.root, "rated", rates=other)
    combine(store, "mean", "rated@1", "rated@2", "--weights=3,1")
    combine(store, "unrated", "rated@1", "dien@1")

    one, two = (store.load("rated", version).priors.rates for version in ("1", "2"))
    for index, rates in enumerate(store.load("mean", "1").priors.rates):
        for column in ("own_V", "parent_share_V"):
            expected = 0.75 * getattr(one[index], column) + 0.25 * getattr(two[index], column)
            np.testing.assert_allclose(getattr(rates, column), expected, rtol=1e-6)
    assert store.load("unrated", "1").priors.rates == ()


def test_corrections_for_sampled_negatives_carry_over(store: ModelStore) -> None:
    for kept in (0.1, 0.4):
        correction = Uncalibrated(negatives_kept=kept)
        publish_tiny_version(store.root, "kept", calibration=correction)

    answer = combine(store, "sampled", "kept@1", "kept@2")

    assert answer["calibration"]["kind"] == "none"
    assert answer["calibration"]["negatives_kept"] == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("dien@1",), "an ensemble has 2 members and more, not 1"),
        (("dien@2", "dien"), "dien@2 is named twice"),
        (("dien@1", "din@1", "--weights=1"), "--weights has 1 numbers for 2 members"),
        (("dien@1", "din@1", "--weights=1,0"), "--weights must be positive"),
        (("dien@1", "din@1", "--weights=1,nan"), "--weights must be positive"),
        (("dien@1", "din@1", "--weights=1;2"), "write numbers with commas"),
        (("dien@1", "din@1", "--calibration=platt"), "--calibration needs --samples"),
        (("dien@1", "short"), r"differ in the number of max_behaviors \(10 and 3\)"),
        (("dien@1", "bare"), "differ in price, which only one of them reads"),
        (("dien@1", "cheap"), r"differ in the mean of price \(5.0 and 1.0\)"),
    ],
)
def test_versions_that_cannot_be_asked_together_are_refused(
    store: ModelStore, arguments: tuple[str, ...], reason: str
) -> None:
    with pytest.raises(StartupRefused, match=reason):
        combine(store, "refused", *arguments)

    assert store.versions("refused") == []


def test_an_ensemble_of_ensembles_is_refused(store: ModelStore) -> None:
    combine(store, "inner", "dien@1", "din@1")

    with pytest.raises(
        StartupRefused, match=r"inner@1 is an ensemble itself: name its members \(dien@1, din@1\)"
    ):
        combine(store, "outer", "inner", "dien@1")


def test_a_damaged_member_is_refused(tmp_path: Path) -> None:
    publish_tiny_version(tmp_path, "dien", seed=1)
    publish_tiny_version(tmp_path, "din", seed=2)
    (tmp_path / "din" / "1" / WEIGHTS).write_bytes(b"")

    with pytest.raises(ArtifactRefused, match="has 0 bytes"):
        combine(ModelStore(tmp_path), "both", "dien", "din")


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return planted_folder(tmp_path_factory.mktemp("samples"), users=120, click_rate=0.3)


@pytest.fixture(scope="module")
def trained(samples: Path, tmp_path_factory: pytest.TempPathFactory) -> ModelStore:
    """Two versions of "ads" that differ in their seeds."""
    root = tmp_path_factory.mktemp("trained")
    for seed in (1, 2):
        train_planted(samples, root, f"--seed={seed}", "--epochs=1")
    return ModelStore(root)


def test_with_samples_it_is_calibrated_and_measured_as_it_is_served(
    samples: Path, trained: ModelStore
) -> None:
    answer = combine(trained, "both", "ads@1", "ads@2", f"--samples={samples}")

    test = read_samples(samples / "test.tsv")
    logits = [
        score_logits(trained.load(name, version), test).astype(np.float64)
        for name, version in (("both", "1"), ("ads", "1"), ("ads", "2"))
    ]
    np.testing.assert_allclose(logits[0], (logits[1] + logits[2]) / 2, atol=1e-5)
    assert answer["calibration"]["kind"] == "platt"
    assert answer["metrics"]["valid"]["pcoc"] == pytest.approx(1, abs=1e-6)
    assert answer["metrics"]["test"]["rows"] == len(test)
    record = trained.read_manifest("both", "1").training
    assert set(record.samples) == {"valid.tsv", "test.tsv"}


def test_training_cannot_go_on_from_an_ensemble(samples: Path, store: ModelStore) -> None:
    combine(store, "whole", "dien@1", "din@1")
    files = (f"--samples={samples}", f"--store={store.root}")

    with pytest.raises(StartupRefused, match="whole@1 is an ensemble: train its members"):
        ctr_serve("train", *files, "--from=whole", "--name=more")
