"""A long list of candidates in parts, and the scores of the parts as those of the whole."""

from collections.abc import Sequence

import numpy as np

from app.core.request import Candidates
from app.registry.loaded_version import JobScores


def in_parts(candidates: Candidates, most: int) -> list[Candidates]:
    """As few parts as can be with at most so many candidates, none much longer than the others."""
    count = len(candidates)
    parts = -(-count // most)
    if parts == 1:
        return [candidates]
    ends = [count * part // parts for part in range(parts + 1)]
    return [candidates.part(*ends[part : part + 2]) for part in range(parts)]


def joined(parts: Sequence[JobScores]) -> JobScores:
    """Of one user's candidates, in their order."""
    if len(parts) == 1:
        return parts[0]
    return JobScores(
        np.concatenate([part.logits_C for part in parts]),
        np.concatenate([part.attention_CT for part in parts]),
        parts[0].unknown_behaviors,
        sum(part.unknown_candidates for part in parts),
    )
