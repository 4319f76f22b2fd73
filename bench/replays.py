"""Calls of functions that change nothing that matters to them, recorded once and made again."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial, wraps
from typing import Any

Functions = Sequence[tuple[Any, str]]  # owners, classes or modules, with names of attributes
Calls = Sequence[Callable[[], object]]


@contextmanager
def recorded(stages: Mapping[str, Functions]) -> Iterator[Mapping[str, Calls]]:
    """The calls of each stage's functions in here, and afterwards; the functions are as before."""
    calls: dict[str, list[Callable[[], object]]] = {stage: [] for stage in stages}
    functions = [
        (owner, name, getattr(owner, name), calls[stage])
        for stage, owners in stages.items()
        for owner, name in owners
    ]
    for owner, name, function, made in functions:
        setattr(owner, name, _recording(function, made))
    try:
        yield calls
    finally:
        for owner, name, function, _ in functions:
            setattr(owner, name, function)


def replay(calls: Calls) -> None:
    for call in calls:
        call()


def _recording(
    function: Callable[..., object], made: list[Callable[[], object]]
) -> Callable[..., object]:
    @wraps(function)
    def recording(*args: object, **kwargs: object) -> object:
        made.append(partial(function, *args, **kwargs))
        return function(*args, **kwargs)

    return recording
