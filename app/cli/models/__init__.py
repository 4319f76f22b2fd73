"""`ctr-serve models`: the versions in a model store or a running service, one file per command."""

import typer

from app.cli.models.activate import activate
from app.cli.models.diff import diff
from app.cli.models.keygen import keygen
from app.cli.models.label import label
from app.cli.models.list import list_versions
from app.cli.models.rollback import rollback
from app.cli.models.rollout import rollout
from app.cli.models.sign import sign
from app.cli.models.watch import watch

models_app = typer.Typer(
    help=(
        "Look at versions, activate them, take them back.\n\n"
        "Without --url in the model store, where it counts from the next start of a service on; "
        "with --url in the service that runs there, at once. Changing a service needs its key in "
        "CTR_ADMIN_KEY (docs/registry.md)."
    ),
    no_args_is_help=True,
)
models_app.command("list")(list_versions)
for command in (diff, activate, rollback, rollout, label, watch, sign, keygen):
    models_app.command()(command)
