"""BentoML with its adaptive batching and one worker process per core."""

import os
from typing import Any

import bentoml
from exported_dien import ExportedDien


@bentoml.service(
    workers=int(os.environ["RACE_WORKERS"]),
    traffic={"timeout": 30, "max_concurrency": 1024},
    logging={"access": {"enabled": False}},
)
class Ranker:
    """A batchable call takes and gives lists, so a request's body is a list of one."""

    def __init__(self) -> None:
        self.model = ExportedDien()

    @bentoml.api(
        route="/rank",
        batchable=True,
        max_batch_size=int(os.environ["RACE_BATCH"]),
        max_latency_ms=int(float(os.environ["RACE_LATENCY_MS"])),
    )
    def rank(self, requests: list[dict[str, Any]], /) -> list[dict[str, Any]]:
        return [{"scores": scores} for scores in self.model.score(requests)]
