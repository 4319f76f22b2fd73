"""The reader of PromQL and the judgement about an expression, both able to say no."""

import pytest

from tests.deploy.exposed_series import problems
from tests.deploy.promql import NotPromql, Selector, selectors

SOUND = [
    'up{job="ctr-serve"} == 0 or absent(up{job="ctr-serve"})',
    "sum by (status) (rate(ctr_requests_total[5m]))",
    "histogram_quantile(0.99, sum by (le) (rate(ctr_stage_duration_seconds_bucket[5m])))",
    'rate(ctr_request_duration_seconds_bucket{le="0.05"}[$__rate_interval])',
    "changes(process_start_time_seconds[15m]) > 2",
    "sum(ctr_queue_jobs) / scalar(sum(rate(ctr_request_candidates_count[5m])))",
]
UNSOUND = {
    "rate(ctr_request_total[5m])": "not exposed",
    "rate(ctr_requests_created[5m])": "not exposed",
    "rate(ctr_batch_jobs[5m])": "not exposed",
    "sum by (code) (rate(ctr_requests_total[5m]))": "no label code",
    'rate(ctr_requests_total{code="200"}[5m])': "no label code",
    "ctr_requests_total": "only grows",
    "sum(ctr_requests_total)": "only grows",
    "rate(ctr_requests_total)": "only grows",
    "rate(ctr_queue_jobs[5m])": "is a gauge",
    "ctr_queue_jobs[5m]": "is a gauge",
    "changes(ctr_queue_jobs)": "is a gauge",
    "histogram_quantile(0.9, sum by (le) (rate(ctr_batch_jobs_sum[5m])))": "no label le",
    "histogram_quantile(0.9, sum(rate(ctr_batch_jobs_bucket[5m])))": "needs buckets",
    'rate(ctr_requests_total{route="/rank"}[5m])': "never",
    'rate(ctr_shed_total{reason="too-busy"}[5m])': "never",
    'rate(ctr_batch_jobs_bucket{le="3"}[5m])': "no bucket",
    "sum(rate(ctr_requests_total[5m])": "expected",
    "topk(3, ctr_queue_jobs)": "no function",
    "ctr_queue_jobs ctr_queue_jobs": "left over",
    "ctr_queue_jobs{": "ends too early",
    "5 + 'text'": "cannot read",
}


def test_a_selector_knows_what_is_around_it():
    found = selectors('sum by (le, a) (rate(x_bucket{a=~"b|c", d!="}"}[5m])) / 2')

    matchers = (("a", "=~", "b|c"), ("d", "!=", "}"))
    kept = (frozenset({"le", "a"}),)
    assert found == [Selector("x_bucket", matchers, "5m", ("sum", "rate"), kept)]


def test_every_operand_is_read():
    found = selectors("(a + b) > c or scalar(d)")

    assert [selector.name for selector in found] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("expression", ["", "a +", "a[5]", "sum by le (a)"])
def test_what_is_not_an_expression_is_refused(expression):
    with pytest.raises(NotPromql):
        selectors(expression)


@pytest.mark.parametrize("expression", SOUND)
def test_a_sound_expression_has_no_problem(expression):
    assert problems(expression) == []


@pytest.mark.parametrize("expression", UNSOUND)
def test_an_unsound_expression_is_told_why(expression):
    found = problems(expression)

    assert any(UNSOUND[expression] in problem for problem in found), found
