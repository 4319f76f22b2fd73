"""Which jobs wait and which go together: properties of the arithmetic."""

from itertools import chain

from hypothesis import given
from hypothesis import strategies as st

from app.inference.batch_policy import BatchPolicy

costs = st.integers(1, 1000)
queues = st.lists(costs, min_size=1, max_size=30)
policies = st.builds(
    BatchPolicy, max_batch_pairs=st.integers(1, 2000), max_queued_pairs=st.integers(1, 2000)
)
threads = st.integers(1, 4)


def next_batch(policy: BatchPolicy, queue: list[int], free_threads: int) -> list[int]:
    """The first jobs of the queue that one thread takes."""
    taken = 0
    while taken < len(queue) and policy.takes(
        sum(queue[:taken]),
        queue[taken],
        queued_pairs=sum(queue[taken:]),
        free_threads=free_threads,
    ):
        taken += 1
    return queue[:taken]


@given(policies, queues, threads)
def test_a_batch_is_never_over_its_limit_unless_it_is_one_job(policy, queue, free_threads):
    batch = next_batch(policy, queue, free_threads)

    assert len(batch) == 1 or sum(batch) <= policy.max_batch_pairs


@given(policies, queues)
def test_the_only_free_thread_takes_every_job_that_fits(policy, queue):
    batch = next_batch(policy, queue, 1)

    assert len(batch) == len(queue) or sum(queue[: len(batch) + 1]) > policy.max_batch_pairs


@given(policies, queues, st.integers(2, 4))
def test_no_thread_takes_more_than_its_share_while_others_are_free(policy, queue, free_threads):
    batch = next_batch(policy, queue, free_threads)

    assert len(batch) == 1 or sum(batch) * free_threads <= sum(queue)


@given(policies, queues, threads)
def test_taking_batch_after_batch_takes_every_job_once_and_in_order(policy, queue, free_threads):
    batches = []
    waiting = queue
    while waiting:
        batches.append(next_batch(policy, waiting, free_threads))
        waiting = waiting[len(batches[-1]) :]

    assert list(chain.from_iterable(batches)) == queue


@given(policies, costs)
def test_an_empty_queue_admits_any_job(policy, pairs):
    assert policy.admits(0, pairs)


@given(policies, costs, costs)
def test_a_queue_admits_what_it_has_room_for(policy, queued, pairs):
    assert policy.admits(queued, pairs) == (queued + pairs <= policy.max_queued_pairs)
