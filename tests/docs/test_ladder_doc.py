"""`docs/ladder.md` names every rung, and has the figures of the demo that is shipped."""

from pathlib import Path
from typing import get_args

from app.core.request import Degradation
from app.registry.model_store import ModelStore
from tests.docs.markdown_tables import quoted, rows_under

ROOT = Path(__file__).parents[2]
TEXT = ROOT.joinpath("docs/ladder.md").read_text()


def test_every_rung_is_explained_in_their_order():
    table = rows_under(TEXT, "rung", "what is missing", "why (`reason`)")

    rungs = [quoted(row["rung"])[0] for row in table]

    assert rungs == ["null", *get_args(Degradation)]


def test_the_figures_of_the_demo_are_those_of_its_manifest():
    manifest = ModelStore(ROOT / "model_store").read_manifest("demo", "1")
    measured = [
        ("", manifest.features.max_behaviors, manifest.metrics["test"]),
        *(
            (rung.degraded, rung.behaviors - rung.missing_newest, rung.metrics["test"])
            for rung in manifest.ladder
        ),
    ]
    rows = rows_under(TEXT, "degraded", "behaviors", "AUC", "logloss", "PCOC")[: len(measured)]

    assert len(measured) == 6
    for row, (degraded, behaviors, quality) in zip(rows, measured, strict=True):
        assert row["degraded"].strip("`") == degraded
        assert int(row["behaviors"]) == behaviors
        assert row["AUC"] == f"{quality.auc:.4f}"
        assert row["logloss"] == f"{quality.logloss:.4f}"
        assert row["PCOC"] == f"{quality.pcoc:.3f}"
