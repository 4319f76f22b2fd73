"""L2 by field, as an operator writes it: `FIELD=WEIGHT`."""

import math
from collections.abc import Sequence

from app.errors import StartupRefused


def parse_l2(declarations: Sequence[str]) -> tuple[tuple[str, float], ...]:
    """Raises StartupRefused for one that is not of the form above, and for a field twice."""
    parsed = tuple(map(_parse, declarations))
    names = [name for name, _ in parsed]
    repeated = [name for name in names if names.count(name) > 1]
    if repeated:
        raise StartupRefused(f"--l2 {repeated[0]} is given twice: a field has one weight")
    return parsed


def _parse(declaration: str) -> tuple[str, float]:
    name, _, text = declaration.partition("=")
    try:
        weight = float(text)
    except ValueError:
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise StartupRefused(f"--l2 {declaration}: write FIELD=WEIGHT, such as item_id=1e-6")
    return name, weight
