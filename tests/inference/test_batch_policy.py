"""Which jobs wait and which go together: properties of the arithmetic."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from app.inference.batch_policy import BatchPolicy, cost_in_pairs

costs = st.integers(1, 1000)
queues = st.lists(costs, min_size=1, max_size=30)
policies = st.builds(
    BatchPolicy, max_batch_pairs=st.integers(1, 2000), max_queued_pairs=st.integers(1, 2000)
)


@given(policies, queues)
def test_a_batch_is_never_over_its_limit_unless_it_is_one_job(policy, queue):
    jobs = policy.jobs_in_next_batch(queue)

    assert jobs == 1 or sum(queue[:jobs]) <= policy.max_batch_pairs


@given(policies, queues)
def test_a_batch_takes_every_oldest_job_that_fits(policy, queue):
    jobs = policy.jobs_in_next_batch(queue)

    assert 1 <= jobs <= len(queue)
    assert jobs == len(queue) or sum(queue[: jobs + 1]) > policy.max_batch_pairs


@given(policies, queues)
def test_taking_batch_after_batch_takes_every_job_once_and_in_order(policy, queue):
    batches = []
    waiting = queue
    while waiting:
        jobs = policy.jobs_in_next_batch(waiting)
        batches.append(waiting[:jobs])
        waiting = waiting[jobs:]

    assert list(chain.from_iterable(batches)) == queue


@given(policies)
def test_an_empty_queue_makes_no_batch(policy):
    assert policy.jobs_in_next_batch([]) == 0


@given(policies, costs)
def test_an_empty_queue_admits_any_job(policy, pairs):
    assert policy.admits(0, pairs)


@given(policies, costs, costs)
def test_a_queue_admits_what_it_has_room_for(policy, queued, pairs):
    assert policy.admits(queued, pairs) == (queued + pairs <= policy.max_queued_pairs)


@given(st.integers(1, 1000), st.integers(0, 1000))
def test_a_candidate_costs_its_behaviors_and_itself(candidates, behaviors):
    cost = cost_in_pairs(candidates=candidates, behaviors=behaviors)

    assert cost == candidates * behaviors + candidates
