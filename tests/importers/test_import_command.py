"""`ctr-serve import`: one command from a checkpoint to a version that can be served."""

import json
from io import StringIO
from pathlib import Path

from rich.console import Console

from app.cli.import_table import show
from app.registry.model_store import ModelStore
from tests.cli.commands import ctr_serve, refusal_of
from tests.importers.checkpoints import deepctr_din, fuxictr_dien


def test_a_checkpoint_becomes_the_active_version(tmp_path: Path) -> None:
    folder, store = fuxictr_dien().write(tmp_path / "checkpoint"), tmp_path / "store"

    finished = ctr_serve(
        *("import", "fuxictr", str(folder), "--name", "mine", "--store", str(store), "--json")
    )

    assert finished.returncode == 0, finished.stderr
    printed = json.loads(finished.stdout)
    assert (printed["name"], printed["version"], printed["activated"]) == ("mine", "1", True)
    assert printed["fields"]["cate_id"] == ["category_id"]
    assert ModelStore(store).active_versions() == {"mine": "1"}


def test_it_says_what_requests_call_the_features(tmp_path: Path) -> None:
    imported = deepctr_din().imported(tmp_path, activate=False)
    console = Console(file=StringIO(), width=80)

    show(imported, console)

    printed = console.file.getvalue()
    assert "score_0, score_1" in printed
    assert "Not activated" in printed
    assert ModelStore(tmp_path / "store").active_versions() == {}


def test_the_wrong_library_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = deepctr_din().write(tmp_path / "checkpoint")

    refusal = refusal_of("import", "fuxictr", folder, "--name", "mine", "--store", "nowhere")

    assert "feature_map" in refusal
