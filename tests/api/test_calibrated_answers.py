"""The CTRs and revenues of an answer are calibrated ones; the order by CTR is the model's own."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from app.core.calibration import Calibration, Isotonic, Platt, ctr_of
from tests.api.bodies import ad, body, ctr_by_ad
from tests.artifacts import publish_tiny_version
from tests.serving import RunningService, patient, serving

CALIBRATIONS: dict[str, Calibration] = {
    "platt": Platt(negatives_kept=0.1, slope=0.8, offset=0.3),
    "isotonic": Isotonic(negatives_kept=0.1, knots=((-4.0, -3.0), (-2.0, -2.5), (0.0, 1.0))),
}


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, redis_server: str
) -> Iterator[RunningService]:
    """Serves the same weights without and with each calibration."""
    root: Path = tmp_path_factory.mktemp("calibrated")
    publish_tiny_version(root, "plain")
    for kind, calibration in CALIBRATIONS.items():
        publish_tiny_version(root, kind, calibration=calibration)
    with serving(patient(model_store=root), redis_server) as running:
        yield running


@pytest.mark.parametrize("kind", CALIBRATIONS)
def test_ctrs_are_calibrated(service: RunningService, kind: str) -> None:
    plain = ctr_by_ad(service.ranking(body(model="plain")))

    calibrated = ctr_by_ad(service.ranking(body(model=kind)))

    ctr_C = np.array(list(plain.values()))
    expected_C = ctr_of(np.log(ctr_C / (1 - ctr_C)), CALIBRATIONS[kind])
    assert list(calibrated) == list(plain)
    assert list(calibrated.values()) == pytest.approx(expected_C.tolist(), abs=1e-6)
    assert max(calibrated.values()) < min(plain.values())


def test_revenue_is_that_of_the_calibrated_ctr(service: RunningService) -> None:
    request = body(model="platt", candidates=[ad(1, bid=0.5), ad(2, bid=2.0)], rank_by="ecpm")

    ranked = service.ranking(request)["ranked"]

    for one, bid in zip(ranked, (2.0, 0.5), strict=True):
        assert one["ecpm"] == pytest.approx(1000 * bid * one["ctr"], rel=1e-12)
