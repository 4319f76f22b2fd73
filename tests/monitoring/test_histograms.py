"""Our histograms show what prometheus_client's own would."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, exposition
from prometheus_client import Histogram as TheirHistogram
from prometheus_client.openmetrics import exposition as openmetrics

from app.monitoring.histograms import Histogram

BOUNDS = (0.001, 0.01, 0.1, 1.0)
values = st.floats(0, 3) | st.sampled_from([*BOUNDS, 1e9])


def lines_of(registry: CollectorRegistry) -> list[str]:
    """As Prometheus reads them, without when each was made."""
    text = exposition.generate_latest(registry).decode()
    return [line for line in text.splitlines() if "_created" not in line]


@given(st.lists(st.tuples(st.sampled_from(["a", 'b "quoted"']), values)))
def test_the_same_values_are_shown_the_same_way(observed: list[tuple[str, float]]) -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    own = Histogram("x_seconds", "How long.", ("kind",), buckets=BOUNDS, registry=ours)
    other = TheirHistogram("x_seconds", "How long.", ("kind",), buckets=BOUNDS, registry=theirs)

    for kind, value in observed:
        own.labels(kind).observe(value)
        other.labels(kind).observe(value)

    assert lines_of(ours) == lines_of(theirs)


def test_without_labels_it_is_shown_before_anything_is_observed() -> None:
    ours, theirs = CollectorRegistry(), CollectorRegistry()
    Histogram("x_seconds", "How long.", buckets=BOUNDS, registry=ours)
    TheirHistogram("x_seconds", "How long.", buckets=BOUNDS, registry=theirs)

    assert lines_of(ours) == lines_of(theirs)


def test_the_latest_exemplar_of_each_bucket_is_shown() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("x_seconds", "How long.", buckets=BOUNDS, registry=registry)

    histogram.observe(0.05, {"request_id": "first"})
    histogram.observe(0.06, {"request_id": "second"})
    histogram.observe(5.0, {"request_id": "slow"})
    histogram.observe(0.07)

    text = openmetrics.generate_latest(registry).decode()
    assert 'x_seconds_bucket{le="0.1"} 3.0 # {request_id="second"} 0.06' in text
    assert 'x_seconds_bucket{le="+Inf"} 4.0 # {request_id="slow"} 5.0' in text
    assert "first" not in text


@pytest.mark.parametrize("buckets", [(2, 1), (1, 1), (1, float("inf")), (float("nan"),)])
def test_bounds_that_do_not_rise_are_refused(buckets: tuple[float, ...]) -> None:
    with pytest.raises(ValueError, match="do not rise"):
        Histogram("x_seconds", "How long.", buckets=buckets, registry=CollectorRegistry())


def test_a_name_is_registered_once() -> None:
    registry = CollectorRegistry()
    Histogram("x_seconds", "How long.", buckets=BOUNDS, registry=registry)

    with pytest.raises(ValueError, match="x_seconds"):
        Histogram("x_seconds", "How long.", buckets=BOUNDS, registry=registry)


def test_labels_must_be_all_of_them() -> None:
    histogram = Histogram("x", "Many.", ("a", "b"), buckets=BOUNDS, registry=CollectorRegistry())

    with pytest.raises(ValueError, match="labels"):
        histogram.labels("only one")


def test_what_fails_is_timed_too() -> None:
    registry = CollectorRegistry()
    histogram = Histogram("x_seconds", "How long.", ("kind",), buckets=BOUNDS, registry=registry)

    with pytest.raises(ZeroDivisionError), histogram.labels("load").time():
        _ = 1 / 0

    assert registry.get_sample_value("x_seconds_count", {"kind": "load"}) == 1
