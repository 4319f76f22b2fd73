"""The kernel reads tables in fewer bits as torch does, on every instruction set."""

import numpy as np
import pytest
import torch

from app.inference.engine import Engine
from app.inference.fused.runtime import FusedRuntime
from app.kernels.library import load_kernel
from app.models.layers.stored_table import STORED_TABLES
from tests.inference.batches import LENGTHS, USERS, draw_batch, ragged
from tests.inference.fused.runtimes import WIDE, each_fused_config
from tests.kernels.compiler import needs_compiler
from tests.models.builders import FULL_SCHEMA
from tests.models.stored_models import stored_model

pytestmark = needs_compiler

CPU = torch.device("cpu")


@pytest.fixture(params=["avx512", "avx2", "generic"])
def isa(request):
    kernel = load_kernel()
    best = kernel.isa
    if not kernel.use_isa(request.param):
        pytest.skip(f"this CPU has no {request.param}")
    yield request.param
    kernel.use_isa(best)


@pytest.mark.usefixtures("isa")
@pytest.mark.parametrize("table_format", STORED_TABLES)
@each_fused_config
def test_scores_are_the_references_on_the_same_tables(config, table_format):
    model = stored_model(config, table_format)
    batch = ragged(draw_batch(LENGTHS, USERS))

    scores = FusedRuntime(model, config, FULL_SCHEMA, load_kernel()).score(batch)

    expected = Engine(model, CPU).score(batch)
    np.testing.assert_allclose(scores.logits_C, expected.logits_C, rtol=1e-5, atol=1e-5)
    np.testing.assert_allclose(scores.attention_CT, expected.attention_CT, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("table_format", STORED_TABLES)
def test_scores_are_to_the_bit_those_of_a_model_with_the_decoded_floats(table_format):
    stored, decoded = stored_model(WIDE, table_format), stored_model(WIDE, table_format)
    for name, table in list(decoded.embedding.tables.items()):
        weight = table(torch.arange(len(table.values_VE)))
        decoded.embedding.tables[name] = torch.nn.Embedding.from_pretrained(weight)
    batch = ragged(draw_batch(LENGTHS, USERS))

    of_stored, of_decoded = (
        FusedRuntime(model, WIDE, FULL_SCHEMA, load_kernel()).score(batch)
        for model in (stored, decoded)
    )

    assert of_stored.logits_C.tolist() == of_decoded.logits_C.tolist()
