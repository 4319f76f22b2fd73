"""What every peer shares: the exported model, the rows of ids, and histories read from Redis.

It runs in the peers' environments and knows nothing of ours but the packed history: a header of
12 bytes, then 20 bytes a behavior (two 64-bit keys and a second), oldest first.
"""

import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import redis
import torch
from numpy.typing import NDArray
from torch.nn.utils.rnn import pad_sequence

# R rows (user and candidate), T steps of the longest history, F fields

FIELDS = ("item_id", "category_id")
HEADER_BYTES = 12
BEHAVIOR = np.dtype([("keys", "<u8", (len(FIELDS),)), ("second", "<u4")])
UNKNOWN_ROW, FIRST_ID_ROW = 1, 2

Request = dict[str, Any]
Scores = dict[str, float]


class ExportedDien:
    """Per-row DIEN behind one call: requests in, the CTR of each ad out."""

    def __init__(self) -> None:
        """Everything comes from `RACE_*` variables; runs on `RACE_TORCH_THREADS` threads."""
        torch.set_num_threads(int(os.environ["RACE_TORCH_THREADS"]))
        folder = Path(os.environ["RACE_EXPORT"])
        self._redis = redis.Redis.from_url(os.environ["RACE_REDIS_URL"])
        self._model = torch.jit.load(folder / "model.pt")
        self._rows = json.loads(folder.joinpath("ids.json").read_text())
        self._keys = [np.load(folder / f"keys-{field}.npy") for field in FIELDS]
        self._max_behaviors = json.loads(folder.joinpath("limits.json").read_text())[
            "max_behaviors"
        ]
        for _ in range(3):  # TorchScript specializes itself on its first calls
            self.score([{"user_id": "", "candidates": [{"ad_id": ""}] * 100}])

    def score(self, requests: Sequence[Request]) -> list[Scores]:
        """One dictionary from ad to CTR for each request, in their order."""
        histories = self._histories([request["user_id"] for request in requests])
        counts = torch.tensor([len(request["candidates"]) for request in requests])
        lengths = torch.tensor([len(history) for history in histories])
        # At least one step, of padding: a GRU does not run over none.
        one_step = torch.zeros(1, len(FIELDS), dtype=torch.int64)
        padded_UTF = pad_sequence([*histories, one_step], batch_first=True)[:-1]
        behaviors_RTF = padded_UTF.repeat_interleave(counts, dim=0)
        candidates_RF = self._candidate_rows(requests)
        with torch.inference_mode():
            ctr_R = self._model(behaviors_RTF, lengths.repeat_interleave(counts), candidates_RF)
        return [
            dict(zip((ad["ad_id"] for ad in request["candidates"]), ctrs.tolist(), strict=False))
            for request, ctrs in zip(requests, ctr_R.split(counts.tolist()), strict=True)
        ]

    def _histories(self, user_ids: Sequence[str]) -> list[torch.Tensor]:
        """Table rows [T, F] per user; none where there is no history."""
        values = self._redis.mget([f"behaviors:{{{user_id}}}" for user_id in user_ids])
        return [self._history_rows(value or b"") for value in values]

    def _history_rows(self, value: bytes) -> torch.Tensor:
        keys_TF = np.frombuffer(value[HEADER_BYTES:], BEHAVIOR)["keys"][-self._max_behaviors :]
        columns = [rows_of(keys, keys_TF[:, column]) for column, keys in enumerate(self._keys)]
        return torch.from_numpy(np.stack(columns, axis=1))

    def _candidate_rows(self, requests: Sequence[Request]) -> torch.Tensor:
        ads = [ad for request in requests for ad in request["candidates"]]
        columns = [
            [self._rows[field].get(ad.get(field), UNKNOWN_ROW) for ad in ads] for field in FIELDS
        ]
        return torch.tensor(columns).T


def rows_of(sorted_keys: NDArray[np.uint64], keys_T: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Where each key stands in the table."""
    found_T = np.searchsorted(sorted_keys, keys_T)
    found_T[found_T == len(sorted_keys)] = 0
    return np.where(sorted_keys[found_T] == keys_T, found_T + FIRST_ID_ROW, UNKNOWN_ROW)
