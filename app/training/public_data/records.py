"""Lines that are objects: JSON or, in the older Amazon files, Python literals."""

import ast
from collections.abc import Mapping

import orjson

from app.training.public_data.line_blocks import LineBlock

Record = Mapping[str, object]


def records(block: LineBlock) -> list[Record]:
    """One per line. Raises StartupRefused for a line that is no object."""
    parsed = []
    for row, line in enumerate(block.lines):
        record = parse_record(line)
        if record is None:
            raise block.places.refusal(row, "it is neither a JSON object nor a Python literal")
        parsed.append(record)
    return parsed


def parse_record(line: str) -> Record | None:
    """None for what is no object. A literal is read as one and never evaluated."""
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError:
        record = _literal(line)
    return record if isinstance(record, dict) else None


def _literal(line: str) -> object:
    try:
        return ast.literal_eval(line)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return None
