"""Architectures that portable runtimes can run, and batches with every edge."""

import dataclasses

import numpy as np
import pytest

from tests.inference.batches import LENGTHS, USERS, draw_batch, ragged
from tests.inference.fused.runtimes import FUSED_CONFIGS
from tests.inference.reference import reference
from tests.models.builders import batch_of, draw_candidates, draw_users
from tests.models.configs import CONFIGS, ENSEMBLE

PORTABLE_CONFIGS = {**CONFIGS, **FUSED_CONFIGS, "ensemble": ENSEMBLE}

each_portable_config = pytest.mark.parametrize(
    "config", PORTABLE_CONFIGS.values(), ids=PORTABLE_CONFIGS.keys()
)

# History lengths and the user of every candidate: mixed, empty, single, nobody asked for, no ads
SHAPES = (
    (LENGTHS, USERS),
    ([0], [0]),
    ([1], [0]),
    ([0, 0], [0, 1, 1]),
    ([12] * 7, list(range(7)) * 9),
    ([3, 9], [0]),
    ([3], []),
)


def assert_the_references(runtime, config, shapes=SHAPES):
    """To 1e-5, in shapes that no compiler has seen."""
    for lengths, users in shapes:
        batch = ragged(draw_batch(lengths, users, seed=len(users)))
        expected, scores = reference(config).score(batch), runtime.score(batch)
        np.testing.assert_allclose(scores.logits_C, expected.logits_C, rtol=1e-5, atol=1e-5)
        np.testing.assert_allclose(scores.attention_CT, expected.attention_CT, atol=1e-5)


def assert_independent_of_company(runtime):
    """A request alone, and beside others with longer and shorter histories: the same to 1e-6."""
    lengths, users = [9, 0, 4, 12], [0] * 5 + [1] * 2 + [2] * 8 + [3]
    people, ads = draw_users(lengths), draw_candidates(users)
    together_C = runtime.score(ragged(batch_of(people, ads))).logits_C
    alone = []
    for number, user in enumerate(people):
        own = [dataclasses.replace(ad, user=0) for ad in ads if ad.user == number]
        alone.append(runtime.score(ragged(batch_of([user], own))).logits_C)
    np.testing.assert_allclose(np.concatenate(alone), together_C, rtol=0, atol=1e-6)
