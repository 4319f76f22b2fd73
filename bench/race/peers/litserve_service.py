"""LitServe with its dynamic batching and one process per core."""

import os
from collections.abc import Sequence

import litserve
from exported_dien import ExportedDien, Request, Scores


class RankApi(litserve.LitAPI):
    """Requests stay dictionaries; a batch of them is one call of the model."""

    def setup(self, device: str) -> None:
        self.model = ExportedDien()

    def decode_request(self, request: Request) -> Request:
        return request

    def batch(self, inputs: Sequence[Request]) -> Sequence[Request]:
        return inputs

    def predict(self, inputs: Request | list[Request]) -> list[Scores]:
        requests = [inputs] if isinstance(inputs, dict) else inputs
        return self.model.score(requests)

    def unbatch(self, output: list[Scores]) -> list[Scores]:
        return output

    def encode_response(self, output: Scores | list[Scores]) -> dict[str, Scores]:
        return {"scores": output[0] if isinstance(output, list) else output}


if __name__ == "__main__":
    api = RankApi(
        max_batch_size=int(os.environ["RACE_BATCH"]),
        batch_timeout=float(os.environ["RACE_WAIT_MS"]) / 1e3,
        api_path="/rank",
    )
    server = litserve.LitServer(
        api, accelerator="cpu", workers_per_device=int(os.environ["RACE_WORKERS"])
    )
    server.run(
        host="127.0.0.1",
        port=int(os.environ["RACE_PORT"]),
        num_api_servers=1,
        log_level="warning",
        generate_client_file=False,
        access_log=False,
    )
