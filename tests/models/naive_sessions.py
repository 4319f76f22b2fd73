"""Sessions cut by a loop over one user's timestamps."""

from collections.abc import Sequence


def split_sessions(seconds: Sequence[int], gap_s: int) -> list[list[int]]:
    """DSIN paper, section 3.2: positions of behaviors, a new list after more than `gap_s`."""
    sessions: list[list[int]] = []
    for position, second in enumerate(seconds):
        if position == 0 or second - seconds[position - 1] > gap_s:
            sessions.append([])
        sessions[-1].append(position)
    return sessions


def newest_sessions(
    seconds: Sequence[int], *, gap_s: int, max_sessions: int, max_session_behaviors: int
) -> list[list[int]]:
    """The last sessions, and of each the last behaviors."""
    newest = split_sessions(seconds, gap_s)[-max_sessions:]
    return [session[-max_session_behaviors:] for session in newest]
