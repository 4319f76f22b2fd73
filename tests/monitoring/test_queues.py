"""The queues of a model are shown together, and only as long as they are there."""

from dataclasses import dataclass

from app.monitoring.metrics import Metrics


@dataclass(eq=False)
class Queue:
    """Two numbers."""

    queued_jobs: int
    queued_pairs: int


def shown(metrics: Metrics, model: str) -> tuple[float | None, float | None]:
    return (
        metrics.registry.get_sample_value("ctr_queue_jobs", {"model": model}),
        metrics.registry.get_sample_value("ctr_queue_cost_pairs", {"model": model}),
    )


def test_queues_of_one_model_add_up_and_others_do_not_count():
    metrics = Metrics()
    queues = [Queue(1, 10), Queue(2, 20)]
    other = Queue(4, 40)

    for queue in queues:
        metrics.queues.add("tiny", queue)
    metrics.queues.add("other", other)

    assert shown(metrics, "tiny") == (3, 30)
    assert shown(metrics, "other") == (4, 40)


def test_a_queue_that_is_gone_does_not_count():
    metrics = Metrics()
    gone, stays = Queue(1, 10), Queue(2, 20)
    metrics.queues.add("tiny", gone)
    metrics.queues.add("tiny", stays)

    del gone

    assert shown(metrics, "tiny") == (2, 20)
