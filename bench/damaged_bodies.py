"""Damaged bodies against the two ways to read one: the fast one and the one that names errors.

Valid rank bodies are damaged at random and read both ways. It ends with status 1, and prints the
bodies, if the fast way accepts what the careful one refuses, if they read different requests, if
the fast way raises anything, or the careful one anything but what is answered with 400 or 422.
What only the careful way accepts is counted: there the fast way is no faster.

Example: python -m bench.damaged_bodies --bodies 150000 --seed 1
"""

import argparse
import random
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from msgspec.structs import asdict

from app.api.parsing import field_by_field, in_columns
from app.cli.progress import progress_bar
from app.core.request import RankRequest
from app.errors import InvalidRequest, MalformedRequest
from bench.damaged_json import damaged
from bench.random_bodies import random_body

ACCEPTED, REFUSED, ONLY_CAREFULLY = "accepted", "refused", "accepted by the careful way alone"
ONLY_FAST, DIFFERENT = "accepted by the fast way alone", "read as different requests"
FINE = (ACCEPTED, REFUSED, ONLY_CAREFULLY)

FastWay = Callable[[bytes], RankRequest | None]
CarefulWay = Callable[[bytes], RankRequest]


def main() -> None:
    options = parse_options()
    rng = random.Random(options.seed)  # noqa: S311 - not for secrets
    seen: Counter[str] = Counter()
    with progress_bar("bodies", options.bodies) as advance:
        for _ in range(options.bodies):
            body = damaged(random_body(rng), rng)
            verdict = compare(body)
            seen[verdict] += 1
            if verdict not in FINE:
                print(f"{verdict}: {body!r}")
            advance(1)
    for verdict, bodies in seen.most_common():
        print(f"{bodies:9} {verdict}")
    sys.exit(any(verdict not in FINE for verdict in seen))


def parse_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--bodies", type=int, default=150_000)
    parser.add_argument("--seed", type=int, default=1)
    return parser.parse_args()


def compare(body: bytes, read_fast: FastWay = in_columns, read: CarefulWay = field_by_field) -> str:
    """One of `FINE`, or what is wrong."""
    try:
        fast = read_fast(body)
    except Exception as error:  # noqa: BLE001 - whatever it is, it must not be
        return f"the fast way raises {type(error).__name__}"
    try:
        careful = read(body)
    except (InvalidRequest, MalformedRequest):
        return REFUSED if fast is None else ONLY_FAST
    except Exception as error:  # noqa: BLE001 - it would be a 500
        return f"the careful way raises {type(error).__name__}"
    if fast is None:
        return ONLY_CAREFULLY
    return ACCEPTED if comparable(fast) == comparable(careful) else DIFFERENT


def comparable(request: RankRequest) -> Mapping[str, Any]:
    """A request in which arrays and tuples are lists."""
    values: dict[str, Any] = asdict(request)
    candidates = asdict(request.candidates)
    candidates["fields"] = {n: list(c) for n, c in request.candidates.fields.items()}
    values["candidates"] = candidates
    if request.behaviors is not None:
        values["behaviors"] = [
            request.behaviors.keys_TF.tolist(),
            request.behaviors.timestamps_T.tolist(),
        ]
    return values


if __name__ == "__main__":
    main()
