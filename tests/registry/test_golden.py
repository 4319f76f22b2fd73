"""Golden requests notice a score that differs, and only that."""

import numpy as np
import pytest

from app.core.batch import RaggedBatch, Scores
from app.core.calibration import UNCALIBRATED, Isotonic, Platt
from app.features.encoder import Encoder
from app.registry.golden import TOLERANCE, GoldenRequest, GoldenRequests, verify, with_scores
from app.registry.model_store import ModelStore
from tests.artifacts import publish_tiny_version
from tests.registry.versions import refusal

REQUESTS = (
    GoldenRequest(
        user_id="user-1",
        behaviors=(("item-1", "category-1", 10),),
        candidates={"item_id": ("item-3", None), "category_id": ("category-3", None)},
    ),
    GoldenRequest(
        user_id="cold",
        behaviors=(),
        candidates={"item_id": ("item-4",), "category_id": ("category-4",)},
    ),
)


@pytest.fixture(scope="module")
def encoder(tmp_path_factory: pytest.TempPathFactory) -> Encoder:
    root = tmp_path_factory.mktemp("store")
    publish_tiny_version(root)
    artifact = ModelStore(root).load("tiny", "1")
    return Encoder(artifact.manifest.features, artifact.vocabularies)


def constant(logit: float):
    """A model of one opinion."""

    def score(batch: RaggedBatch) -> Scores:
        candidates = len(batch.user_of_C)
        attention = np.zeros((candidates, batch.lengths_U.max(initial=0)), np.float32)
        return Scores(np.full(candidates, logit, np.float32), attention)

    return score


def test_scores_are_probabilities_of_each_candidate(encoder):
    golden = with_scores(REQUESTS, encoder, constant(0.0), UNCALIBRATED)

    assert [request.ctr for request in golden.requests] == [(0.5, 0.5), (0.5,)]


def test_the_same_model_passes_also_from_json(encoder):
    golden = with_scores(REQUESTS, encoder, constant(0.3), UNCALIBRATED)

    restored = GoldenRequests.model_validate_json(golden.model_dump_json())

    assert restored == golden
    verify(restored, encoder, constant(0.3), UNCALIBRATED)


# The sigmoid's slope at 0 is 1/4.
@pytest.mark.parametrize("logit", [4.4 * TOLERANCE, -4.4 * TOLERANCE, 5.0, float("nan")])
def test_a_difference_above_the_tolerance_is_refused(encoder, logit):
    golden = with_scores(REQUESTS, encoder, constant(0.0), UNCALIBRATED)

    assert "golden request 0 scores differ" in refusal(
        lambda: verify(golden, encoder, constant(logit), UNCALIBRATED)
    )


@pytest.mark.parametrize("logit", [3.6 * TOLERANCE, -3.6 * TOLERANCE])
def test_another_cpu_may_round_differently(encoder, logit):
    golden = with_scores(REQUESTS, encoder, constant(0.0), UNCALIBRATED)

    verify(golden, encoder, constant(logit), UNCALIBRATED)

    assert golden != with_scores(REQUESTS, encoder, constant(logit), UNCALIBRATED)


@pytest.mark.parametrize("logit", [-1e30, 1e30])
def test_a_logit_far_out_is_a_probability_too(encoder, logit):
    golden = with_scores(REQUESTS, encoder, constant(logit), UNCALIBRATED)

    assert golden.requests[1].ctr == (float(logit > 0),)


def test_golden_requests_without_their_scores_are_refused(encoder):
    unscored = GoldenRequests(requests=REQUESTS)

    assert "golden request 0 has 0 scores" in refusal(
        lambda: verify(unscored, encoder, constant(0.0), UNCALIBRATED)
    )


def test_scores_are_calibrated_as_they_are_served(encoder):
    halved = Platt(negatives_kept=0.5, slope=1.0, offset=0.0)

    golden = with_scores(REQUESTS, encoder, constant(0.0), halved)

    assert golden.requests[1].ctr == pytest.approx((1 / 3,))
    verify(golden, encoder, constant(0.0), halved)


KNOTS = ((-5.0, -4.0), (0.0, -1.0), (5.0, 2.0))


@pytest.mark.parametrize(
    "damaged",
    [
        UNCALIBRATED,
        Isotonic(knots=KNOTS, negatives_kept=0.9999),
        Isotonic(knots=KNOTS[:2]),
        Isotonic(knots=(*KNOTS[:2], (5.0, 2.0001))),  # where no golden request scores
    ],
    ids=["none", "share", "shorter", "knot"],
)
def test_another_calibration_is_refused_wherever_it_differs(encoder, damaged):
    golden = with_scores(REQUESTS, encoder, constant(-1.0), Isotonic(knots=KNOTS))

    message = refusal(lambda: verify(golden, encoder, constant(-1.0), damaged))

    assert "calibration is not the one" in message


def test_golden_requests_from_before_calibration_are_those_of_the_model_alone(encoder):
    golden = with_scores(REQUESTS, encoder, constant(0.3), UNCALIBRATED)

    old = GoldenRequests.model_validate_json(golden.model_dump_json(exclude={"calibration"}))

    verify(old, encoder, constant(0.3), UNCALIBRATED)
