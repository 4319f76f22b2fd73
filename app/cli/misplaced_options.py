"""Options that belong to another format are refused: ignored, they would mislead."""

from collections.abc import Mapping, Sequence

import typer

from app.errors import StartupRefused


def refuse_misplaced(
    context: typer.Context, chosen: str, formats_of: Mapping[str, Sequence[str]]
) -> None:
    """`formats_of` has the formats of each parameter that is not for all of them.

    Raises StartupRefused if one was given that is not for the chosen format.
    """
    for name, formats in formats_of.items():
        source = context.get_parameter_source(name)
        is_given = source is not None and source.name != "DEFAULT"
        if is_given and chosen not in formats:
            option = name.replace("_", "-")
            raise StartupRefused(f"--{option} is for --format {' or '.join(formats)}, not {chosen}")
