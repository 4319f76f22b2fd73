"""`ctr-serve evaluate`: the shipped demo model on impressions of its own world."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from app.cli import app
from app.errors import StartupRefused
from app.registry.model_store import ModelStore
from app.simulation.samples import Split, write_samples
from app.simulation.simulate import simulate
from app.simulation.world import WorldConfig
from app.training.evaluation import evaluate
from app.training.offline import score_samples
from app.training.samples import read_samples
from tests.cli.commands import ROOT

STORE = ROOT / "model_store"
DAYS = Split(train_days=10, valid_days=2, test_days=4)
QUICK = ("--bootstrap", "20")


def evaluated(samples: Path, *options: str, version: str = "demo") -> str:
    """What the command prints; the error that it ends with is raised."""
    arguments = ["evaluate", version, "--samples", str(samples), "--store", str(STORE), *QUICK]
    result = CliRunner().invoke(app, [*arguments, *options])
    if result.exception:
        raise result.exception
    return result.stdout


@pytest.fixture(scope="module")
def samples(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of the demo's catalog; the first test rows ask for items that the model never met."""
    folder = tmp_path_factory.mktemp("samples")
    write_samples(simulate(WorldConfig(users=80)), folder, DAYS)
    with (folder / "test.tsv").open(newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    for row in rows[:40]:
        row["item_id"] = "never-seen"
    for row in rows[:15]:
        row["cate_id"] = "never-seen"
    with (folder / "test.tsv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter="\t")
        writer.writeheader()
        writer.writerows(rows)
    return folder


@pytest.fixture(scope="module")
def answer(samples: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(evaluated(samples, "--json", "--k", "3,1"))
    return found


def test_the_metrics_are_those_of_the_served_ctrs(samples: Path, answer: dict[str, Any]) -> None:
    rows = read_samples(samples / "test.tsv")
    ctr_C = score_samples(ModelStore(STORE).load("demo", "1"), rows)
    users_C = rows.users.ids["user_id"].codes_R[rows.user_of_C]
    expected = evaluate(ctr_C, rows.labels_C, users_C).model_dump(exclude={"rows"})

    found = {name: measure["value"] for name, measure in answer["whole"]["metrics"].items()}

    assert found == pytest.approx(expected, abs=1e-9)
    assert answer["whole"]["rows"] == len(rows)


def test_the_answer_names_version_weights_and_samples(answer: dict[str, Any]) -> None:
    manifest = ModelStore(STORE).read_manifest("demo", "1")
    identity = answer["identity"]

    assert (identity["name"], identity["version"], identity["split"]) == ("demo", "1", "test")
    assert identity["architecture"]["name"] == "dien"
    assert identity["torch_version"] == manifest.torch_version
    assert identity["weights_sha256"] == manifest.files["weights.safetensors"].sha256
    assert not identity["samples_of_training"]


def test_cold_items_have_slices_of_their_own(answer: dict[str, Any]) -> None:
    rows = {part["name"]: part["rows"] for part in answer["cold_start"]}

    assert rows["unknown item, known category"] == 25
    assert rows["unknown item and category"] == 15
    assert rows["user with history"] + rows["user without history"] == answer["whole"]["rows"]


def test_what_degraded_answers_were_worth_is_said_as_it_was_published(
    samples: Path, answer: dict[str, Any]
) -> None:
    ladder = ModelStore(STORE).read_manifest("demo", "1").ladder

    printed = evaluated(samples, "--split=valid")

    assert [(rung["degraded"], rung["behaviors"]) for rung in answer["ladder"]] == [
        ("stale_history", 49),
        ("truncated_history", 25),
        ("truncated_history", 12),
        ("no_history", 0),
        ("prior", 0),
    ]
    assert [rung["auc"] for rung in answer["ladder"]] == [
        rung.metrics["test"].auc for rung in ladder
    ]
    prior = ladder[-1].metrics["valid"]
    assert f"| prior | 0 | {prior.auc:.4f} | {prior.logloss:.4f} | {prior.pcoc:.4f} |" in printed


def test_the_best_lists_are_as_long_as_asked(answer: dict[str, Any]) -> None:
    assert [top["k"] for top in answer["top_k"]] == [1, 3]


def test_training_clicks_count_only_where_training_samples_are(
    samples: Path, answer: dict[str, Any], tmp_path: Path
) -> None:
    (tmp_path / "test.tsv").write_bytes((samples / "test.tsv").read_bytes())

    alone = json.loads(evaluated(tmp_path, "--json"))

    assert answer["slices"]["training_clicks"][0]["name"] == "0"
    assert answer["slices"]["training_clicks"][0]["rows"] >= 40
    assert alone["slices"]["training_clicks"] == []
    assert alone["whole"] == answer["whole"]


def test_reports_are_written_beside_what_is_printed(samples: Path, tmp_path: Path) -> None:
    out = tmp_path / "new" / "reports"

    printed = evaluated(samples, "--split", "valid", "--out", str(out), version="demo@1")

    assert {path.name for path in out.iterdir()} == {"demo@1.valid.md", "demo@1.valid.json"}
    assert (out / "demo@1.valid.md").read_text().strip() == printed.strip()
    assert json.loads((out / "demo@1.valid.json").read_bytes())["identity"]["split"] == "valid"


def test_one_kind_of_label_is_evaluated_as_far_as_it_goes(samples: Path, tmp_path: Path) -> None:
    header, *rows = (samples / "test.tsv").read_text().splitlines()
    unclicked = [row for row in rows if row.startswith("0\t")]
    (tmp_path / "test.tsv").write_text("\n".join([header, *unclicked[:30], ""]))

    printed, answer = evaluated(tmp_path), json.loads(evaluated(tmp_path, "--json"))

    assert answer["whole"]["metrics"]["auc"]["value"] is None
    assert answer["whole"]["metrics"]["logloss"]["value"] > 0
    assert "| AUC | — | — |" in printed


@pytest.mark.parametrize(
    ("options", "version", "reason"),
    [
        (("--k", "1,zero"), "demo", "--k 1,zero: 'zero' is not a number from 1"),
        (("--k", "0"), "demo", "'0' is not a number from 1"),
        ((), "demo@9", "demo has no version 9"),
        ((), "nobody", "nobody has no active version"),
        ((), "demo@", "cannot name a model or a version"),
        (("--samples", "nowhere"), "demo", "nowhere/test.tsv is not a file"),
        (("--out", "pyproject.toml"), "demo", "--out pyproject.toml"),
    ],
    ids=["k-text", "k-zero", "version", "name", "no-version", "samples", "out"],
)
def test_what_cannot_be_evaluated_is_refused(
    samples: Path, options: tuple[str, ...], version: str, reason: str, monkeypatch: Any
) -> None:
    monkeypatch.chdir(ROOT)

    with pytest.raises(StartupRefused, match=reason):
        evaluated(samples, *options, version=version)
