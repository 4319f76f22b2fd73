"""What is kept of users is exact, bounded, of one version, and continued by new behaviors."""

import numpy as np
import pytest

from app.inference.fused.runtime import KeptStates
from app.inference.fused.user_state_cache import UserStateCache, UserStates
from app.monitoring.metrics import Metrics
from tests.inference.batches import draw_batch, ragged
from tests.inference.fused.runtimes import each_fused_config, fused, without_behaviors_after
from tests.kernels.compiler import needs_compiler

pytestmark = needs_compiler

ADS = [0] * 20


def lookups(metrics: Metrics) -> dict[str, float]:
    return {
        result: metrics.registry.get_sample_value(
            "ctr_user_state_lookups_total", {"result": result}
        )
        for result in ("miss", "extended", "hit")
    }


@pytest.fixture
def metrics() -> Metrics:
    return Metrics()


@pytest.fixture
def cache(metrics) -> UserStateCache:
    return UserStateCache(2**20, metrics)


@each_fused_config
def test_a_user_who_comes_again_scores_the_same_to_the_bit(config, cache, metrics):
    runtime = fused(config, KeptStates(cache, "dien@1"))
    batch = ragged(draw_batch([7], ADS))

    first = runtime.score(batch, ["ann"])
    again = runtime.score(batch, ["ann"])

    assert lookups(metrics) == {"miss": 1, "extended": 0, "hit": 1}
    assert again.logits_C.tolist() == first.logits_C.tolist()
    assert again.attention_CT.tolist() == first.attention_CT.tolist()


@each_fused_config
@pytest.mark.parametrize("known", [1, 5, 6])
def test_states_continued_by_new_behaviors_are_those_of_the_whole_history(
    config, known, cache, metrics
):
    batch = ragged(draw_batch([7], ADS))
    runtime = fused(config, KeptStates(cache, "dien@1"))
    runtime.score(without_behaviors_after(batch, known), ["ann"])

    continued = runtime.score(batch, ["ann"])

    assert lookups(metrics)["extended"] == 1
    assert continued.logits_C.tolist() == fused(config).score(batch).logits_C.tolist()


@each_fused_config
def test_a_history_that_changed_is_computed_anew(config, cache, metrics):
    runtime = fused(config, KeptStates(cache, "dien@1"))
    runtime.score(ragged(draw_batch([7], ADS, seed=1)), ["ann"])
    batch = ragged(draw_batch([7], ADS, seed=2))

    scores = runtime.score(batch, ["ann"])

    assert lookups(metrics) == {"miss": 2, "extended": 0, "hit": 0}
    assert scores.logits_C.tolist() == fused(config).score(batch).logits_C.tolist()


@each_fused_config
def test_users_of_a_batch_are_not_mixed_up(config, cache):
    runtime = fused(config, KeptStates(cache, "dien@1"))
    lengths, users = [3, 0, 5, 4], [0, 1, 2, 3, 3, 2, 1, 0]
    ids = ["ann", "bob", "cy", "dee"]
    batch = ragged(draw_batch(lengths, users))
    runtime.score(ragged(draw_batch([5, 2], [0, 1], seed=3)), ["cy", "ann"])

    runtime.score(batch, ids)
    scores = runtime.score(batch, ids)

    assert scores.logits_C.tolist() == fused(config).score(batch).logits_C.tolist()


def states_of(rows: bytes, floats: int = 1000) -> UserStates:
    return UserStates.of(rows, np.zeros(floats, np.float32))


def test_the_least_recently_used_leaves_first(metrics):
    entry = states_of(b"rows")
    cache = UserStateCache(entry.bytes * 2, metrics)
    cache.keep("v", "ann", entry)
    cache.keep("v", "bob", entry)
    cache.find("v", "ann", b"rows")

    cache.keep("v", "cy", entry)

    kept = [user for user in ("ann", "bob", "cy") if cache.find("v", user, b"rows")]
    assert kept == ["ann", "cy"]
    assert metrics.registry.get_sample_value("ctr_user_state_memory_bytes") == entry.bytes * 2


def test_what_is_larger_than_the_cache_is_not_kept(metrics):
    cache = UserStateCache(100, metrics)

    cache.keep("v", "ann", states_of(b"rows"))

    assert cache.find("v", "ann", b"rows") is None
    assert metrics.registry.get_sample_value("ctr_user_state_memory_bytes") == 0


def test_newer_states_of_a_user_replace_the_older(cache, metrics):
    cache.keep("v", "ann", states_of(b"rows"))
    cache.keep("v", "ann", states_of(b"rows and more"))

    assert cache.find("v", "ann", b"rows") is None
    assert cache.find("v", "ann", b"rows and more, and more") is not None
    assert metrics.registry.get_sample_value("ctr_user_state_memory_bytes") == (
        states_of(b"rows and more").bytes
    )


def test_a_version_never_sees_what_another_made(cache):
    cache.keep("dien@1", "ann", states_of(b"rows"))

    assert cache.find("dien@2", "ann", b"rows") is None


def test_a_version_that_is_forgotten_leaves_nothing(cache, metrics):
    cache.keep("dien@1", "ann", states_of(b"rows"))
    cache.keep("dien@2", "ann", states_of(b"rows"))

    cache.forget("dien@1")

    assert cache.find("dien@1", "ann", b"rows") is None
    assert cache.find("dien@2", "ann", b"rows") is not None
    assert (
        metrics.registry.get_sample_value("ctr_user_state_memory_bytes") == states_of(b"rows").bytes
    )
