"""Ray Serve with its batching decorator and one replica per core."""

import os
import signal

import orjson
import ray
from exported_dien import ExportedDien, Request, Scores
from ray import serve
from starlette.requests import Request as HttpRequest
from starlette.responses import Response


@serve.deployment(
    num_replicas=int(os.environ["RACE_WORKERS"]),
    max_ongoing_requests=256,
    ray_actor_options={"num_cpus": 0.5},
)
class Ranker:
    """A batch of requests is one call of the model."""

    def __init__(self) -> None:
        self.model = ExportedDien()

    @serve.batch(
        max_batch_size=int(os.environ["RACE_BATCH"]),
        batch_wait_timeout_s=float(os.environ["RACE_WAIT_MS"]) / 1e3,
    )
    async def score(self, requests: list[Request]) -> list[Scores]:
        return self.model.score(requests)

    async def __call__(self, request: HttpRequest) -> Response:
        scores = await self.score(orjson.loads(await request.body()))
        return Response(orjson.dumps({"scores": scores}), media_type="application/json")


if __name__ == "__main__":
    ray.init(include_dashboard=False, log_to_driver=False, configure_logging=False)
    serve.start(http_options={"host": "127.0.0.1", "port": int(os.environ["RACE_PORT"])})
    serve.run(Ranker.bind(), route_prefix="/rank", logging_config={"enable_access_log": False})
    signal.sigwait({signal.SIGTERM, signal.SIGINT})
    serve.shutdown()
    ray.shutdown()
