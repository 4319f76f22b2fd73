"""Rank bodies with anything that a client may send, all of them valid."""

import json
import random
from typing import Any

TEXTS = ("a", "7", "7.0", "é", "e\u0301", "\U0001f600", "x" * 256, " ", "\u2028", "\x7f", '"\\/')
NUMBERS = (0, 1, -1, 7.0, 0.1, -0.0, 1e9, 2**53 + 1, 2**63 - 1, -(2**63), 1e300, 5e-324)


def random_body(rng: random.Random) -> bytes:
    """As JSON, spaced and escaped one way or the other."""
    has_further = rng.random() < 0.5
    candidates = [
        _candidate(rng, number, has_further=has_further) for number in range(rng.randint(1, 6))
    ]
    others = {name: value for name, value in _others(rng).items() if rng.random() < 0.3}
    body = {"user_id": rng.choice(TEXTS), "candidates": candidates, **others}
    return json.dumps(
        body,
        ensure_ascii=rng.random() < 0.5,
        separators=(",", ":") if rng.random() < 0.5 else None,
    ).encode()


def _candidate(rng: random.Random, number: int, *, has_further: bool) -> dict[str, Any]:
    own = {
        "item_id": rng.choice(TEXTS),
        "category_id": rng.choice([None, *TEXTS]),
        "bid": rng.choice([0, 1, 0.5, 1e9, 0.1]),
    }
    candidate = {name: value for name, value in own.items() if rng.random() < 0.9}
    if has_further:
        candidate |= _fields(rng)
    return {"ad_id": f"ad-{number}", **candidate}


def _others(rng: random.Random) -> dict[str, Any]:
    return {
        "context": _fields(rng),
        "profile": rng.choice([None, _fields(rng)]),
        "behaviors": [
            {
                "item_id": rng.choice(TEXTS),
                "category_id": rng.choice(TEXTS),
                "timestamp": rng.choice([0, 100, 2**32 - 1]),
            }
            for _ in range(rng.randint(0, 3))
        ],
        "top_k": rng.choice([None, 1, 3, 10**6]),
        "rank_by": "ctr",
        "explain": rng.randint(0, 1000),
        "deadline_ms": rng.choice([None, 1, 0.5, 5000, 1e300]),
        "model": rng.choice([None, "dien", "dien@3"]),
    }


def _fields(rng: random.Random) -> dict[str, Any]:
    values = (None, rng.choice(TEXTS), rng.choice(NUMBERS), rng.choices(NUMBERS, k=2))
    return {name: rng.choice(values) for name in rng.sample(["price", "brand", "a", "é"], k=2)}
