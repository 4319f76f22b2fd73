"""Behavior sequences for tests: of raw ids where a test reads them, random where it does not."""

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from app.core.keys import key_of
from app.core.request import BEHAVIOR_FIELDS, BehaviorSequence


def history(*items: str, first_second: int = 1) -> BehaviorSequence:
    """One behavior per item, a second apart; its category is "category of <item>"."""
    keys = [(key_of(item), key_of(f"category of {item}")) for item in items]
    seconds = np.arange(first_second, first_second + len(items), dtype=np.uint32)
    return BehaviorSequence(np.array(keys, np.uint64).reshape(-1, 2), seconds)


@st.composite
def histories(draw: st.DrawFn, max_size: int = 20) -> BehaviorSequence:
    count = draw(st.integers(0, max_size))
    return BehaviorSequence(
        draw(hnp.arrays(np.uint64, (count, len(BEHAVIOR_FIELDS)))),
        draw(hnp.arrays(np.uint32, count)),
    )


def as_rows(sequence: BehaviorSequence) -> list[tuple[int, int, int]]:
    """(item key, category key, second) of each behavior, to compare."""
    return [
        (*keys, second)
        for keys, second in zip(
            sequence.keys_TF.tolist(), sequence.timestamps_T.tolist(), strict=True
        )
    ]
