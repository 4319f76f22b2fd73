"""An engine gives the model's own scores, as arrays, on any thread and on any device."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from app.inference.engine import Engine
from tests.inference.batches import LENGTHS, USERS, draw_batch, ragged
from tests.inference.cuda import needs_cuda
from tests.models.builders import make_model, score
from tests.models.configs import CONFIGS, each_config

CPU = torch.device("cpu")


@each_config
def test_scores_are_those_of_the_model(config):
    model = make_model(config)
    batch = draw_batch(LENGTHS, USERS)

    scores = Engine(model, CPU).score(ragged(batch))

    with torch.inference_mode():
        logits_C, attention_CT = score(model, batch)
    assert scores.logits_C.tolist() == logits_C.tolist()
    assert scores.attention_CT.tolist() == attention_CT.tolist()


def test_scores_are_plain_arrays_of_floats():
    scores = Engine(make_model(CONFIGS["default"]), CPU).score(ragged(draw_batch(LENGTHS, USERS)))

    assert (scores.logits_C.dtype, scores.attention_CT.dtype) == (np.float32, np.float32)
    assert scores.logits_C.shape == (len(USERS),)
    assert scores.attention_CT.shape == (len(USERS), max(LENGTHS))


def test_threads_that_share_a_model_do_not_disturb_each_other():
    engine = Engine(make_model(CONFIGS["default"]), CPU)
    batches = [ragged(draw_batch(LENGTHS, USERS, seed=seed)) for seed in range(8)]
    alone = [engine.score(batch).logits_C for batch in batches]

    with ThreadPoolExecutor(4) as threads:
        together = [scores.logits_C for scores in threads.map(engine.score, batches * 5)]

    np.testing.assert_allclose(together, alone * 5, atol=1e-6)


@needs_cuda
def test_threads_that_share_a_gpu_do_not_disturb_each_other():
    gpu = torch.device("cuda:0")
    engine = Engine(make_model(CONFIGS["default"]).to(gpu), gpu)
    batches = [ragged(draw_batch(LENGTHS, USERS, seed=seed)) for seed in range(8)]
    alone = [engine.score(batch).logits_C for batch in batches]

    with ThreadPoolExecutor(4) as threads:
        together = [scores.logits_C for scores in threads.map(engine.score, batches * 5)]

    np.testing.assert_allclose(together, alone * 5, atol=1e-6)


@needs_cuda
@each_config
def test_a_gpu_gives_the_scores_of_the_cpu(config):
    batch = ragged(draw_batch(LENGTHS, USERS))
    gpu = torch.device("cuda:0")
    expected = Engine(make_model(config), CPU).score(batch)

    scores = Engine(make_model(config).to(gpu), gpu).score(batch)

    np.testing.assert_allclose(scores.logits_C, expected.logits_C, atol=1e-5)
    np.testing.assert_allclose(scores.attention_CT, expected.attention_CT, atol=1e-5)
