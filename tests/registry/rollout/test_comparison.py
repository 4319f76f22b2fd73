import numpy as np

from app.registry.rollout.comparison import Comparison
from app.registry.rollout.gate import GateRules, judge
from tests.registry.rollout.challengers import compare, retrained


def test_two_services_together_know_what_one_would_that_saw_both():
    parts = [Comparison(), Comparison()]
    one = Comparison()
    for seed, part in enumerate(parts):
        list(compare(retrained, 200, seed=seed, comparison=part))
        list(compare(retrained, 200, seed=seed, comparison=one))

    parts[0].merge(parts[1])

    merged, whole = (judge(each, GateRules(), seconds=0).measures for each in (parts[0], one))
    assert merged.keys() == whole.keys()
    for name, interval in whole.items():
        np.testing.assert_allclose(
            [interval.value, interval.low, interval.high],
            [merged[name].value, merged[name].low, merged[name].high],
        )


def test_a_request_with_many_candidates_counts_as_much_as_one_with_few():
    comparison = Comparison()

    comparison.pairs.add(0, np.full(1000, 0.1), np.full(1000, 0.2))
    comparison.pairs.add(1, np.full(2, 0.3), np.full(2, 0.4))

    assert comparison.pairs.old_ctr_G.sum() == 0.4
    assert comparison.pairs.new_bins_GB.sum() == 2
