"""Imported versions give the libraries' own probabilities, offline and over HTTP."""

from pathlib import Path

import numpy as np
import pytest
import torch

from app.api.wire import RankBody
from app.core.calibration import ctr_of
from app.core.request import Candidates, UserContext
from app.features.encoder import Encoder
from app.inference.engine import Engine
from app.registry.model_store import ModelStore
from app.registry.trained_model import trained_model
from tests.importers.library_outputs import ALL_OUTPUTS, LibraryOutputs, Row, body_of
from tests.serving import RunningService

BOUND = 1e-5

pytestmark = pytest.mark.skipif(not ALL_OUTPUTS, reason="needs ../shared/data")
every_checkpoint = pytest.mark.parametrize("outputs", ALL_OUTPUTS, ids=lambda outputs: outputs.name)


def job_of(row: Row) -> tuple[UserContext, Candidates]:
    request = RankBody.model_validate(body_of(row)).to_request()
    assert request.behaviors is not None
    return UserContext(request.user_id, request.behaviors), request.candidates


def is_cold(row: Row) -> bool:
    """Without behaviors, which neither library's DIEN can score alone."""
    return bool(row["seq_length"] == 0)


@every_checkpoint
def test_a_checkpoint_scores_as_it_did_in_its_library(
    imported: Path, outputs: LibraryOutputs
) -> None:
    store = ModelStore(imported)
    artifact = store.load(outputs.name, store.active_versions()[outputs.name])
    encoder = Encoder(artifact.manifest.features, artifact.vocabularies)
    rows = outputs.rows()

    batch = encoder.encode([job_of(row) for row in rows]).batch
    scores = Engine(trained_model(artifact), torch.device("cpu")).score(batch)

    ctrs = ctr_of(scores.logits_C, artifact.manifest.calibration)
    expected = [row["probability"] for row in rows]
    np.testing.assert_allclose(ctrs, expected, rtol=0, atol=BOUND)
    assert any(map(is_cold, rows))


@every_checkpoint
def test_a_checkpoint_scores_as_it_did_in_its_library_over_http(
    service: RunningService, outputs: LibraryOutputs
) -> None:
    rows = [row for index, row in enumerate(outputs.rows()) if index % 4 == 0 or is_cold(row)]

    answers = [service.ranking(body_of(row) | {"model": outputs.name}) for row in rows]

    expected = [row["probability"] for row in rows]
    ctrs = [answer["ranked"][0]["ctr"] for answer in answers]
    np.testing.assert_allclose(ctrs, expected, rtol=0, atol=BOUND)
    assert {answer["user"]["unknown_items"] for answer in answers} == {0}
