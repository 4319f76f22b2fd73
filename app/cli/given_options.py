"""Options that were given where they mean nothing are refused: ignored, they would mislead."""

from collections.abc import Collection

import typer

from app.errors import StartupRefused


def refuse_given(context: typer.Context, panels: Collection[str], why: str) -> None:
    """Raises StartupRefused if an option of one of these panels of `--help` was given."""
    for parameter in context.command.params:
        source = context.get_parameter_source(str(parameter.name))
        is_given = source is not None and source.name != "DEFAULT"
        if is_given and getattr(parameter, "rich_help_panel", None) in panels:
            raise StartupRefused(f"{parameter.opts[0]} {why}")
