"""The `ctr-serve` command: one file per command, each loading what it needs only when it runs."""

import sys

import typer

from app.cli.demo import demo
from app.cli.ensemble import ensemble
from app.cli.evaluate import evaluate
from app.cli.export import export
from app.cli.import_checkpoint import import_checkpoint
from app.cli.load_behaviors import load_behaviors
from app.cli.models import models_app
from app.cli.prepare import prepare
from app.cli.prune import prune
from app.cli.replay import replay
from app.cli.score import score
from app.cli.serve import serve
from app.cli.simulate import simulate
from app.cli.train import train
from app.errors import StartupRefused

REFUSED = 2

app = typer.Typer(
    help=(
        "Online CTR inference: ranked, explained click-through rates from DIEN, DIN and DSIN.\n\n"
        "Try `ctr-serve demo` first. Then, with your own data: prepare, train, evaluate, "
        "load-behaviors, serve, models. Settings of the service are CTR_* environment variables "
        "(docs/settings.md)."
    ),
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
COMMANDS = (
    *(demo, serve, simulate, prepare, train, evaluate, ensemble, prune),
    *(export, load_behaviors, score, replay),
)
for command in COMMANDS:
    app.command()(command)
app.command("import")(import_checkpoint)
app.add_typer(models_app, name="models")


def main() -> None:
    try:
        app()
    except StartupRefused as refusal:
        typer.echo(f"ctr-serve: {refusal}", err=True)
        sys.exit(REFUSED)
    except KeyboardInterrupt:
        sys.exit(130)
