"""TorchServe's custom handler: the front is Java and batches, Python processes compute."""

import json
from collections.abc import Sequence
from typing import Any

import orjson
from exported_dien import ExportedDien


class RankHandler:
    """A batch of bodies in, a list of answers of the same length out."""

    def initialize(self, context: object) -> None:
        self.model = ExportedDien()

    def handle(self, data: Sequence[dict[str, Any]] | None, context: object) -> list[str]:
        requests = [_body(row) for row in data or ()]
        answers = self.model.score(requests) if requests else []
        return [json.dumps({"scores": scores}) for scores in answers]


def _body(row: dict[str, Any]) -> dict[str, Any]:
    body = row.get("body") or row.get("data")
    request: dict[str, Any] = body if isinstance(body, dict) else orjson.loads(body)
    return request
