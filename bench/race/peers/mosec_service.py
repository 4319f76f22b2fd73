"""mosec: its Rust front batches, one Python process per core computes."""

import os

import orjson
from exported_dien import ExportedDien, Request, Scores
from mosec import Server, Worker


class Ranker(Worker):
    """A batch of requests is one call of the model."""

    def __init__(self) -> None:
        super().__init__()
        self.model = ExportedDien()

    def deserialize(self, data: bytes) -> Request:
        request: Request = orjson.loads(data)
        return request

    def serialize(self, data: Scores) -> bytes:
        return orjson.dumps({"scores": data})

    def forward(self, data: list[Request] | Request) -> list[Scores] | Scores:
        return self.model.score(data) if isinstance(data, list) else self.model.score([data])[0]


if __name__ == "__main__":
    server = Server()  # it reads --address and --port
    server.append_worker(
        Ranker,
        num=int(os.environ["RACE_WORKERS"]),
        max_batch_size=int(os.environ["RACE_BATCH"]),
        max_wait_time=max(1, round(float(os.environ["RACE_WAIT_MS"]))),
        timeout=30,
        route="/rank",
    )
    server.run()
