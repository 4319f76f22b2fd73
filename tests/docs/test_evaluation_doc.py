"""`docs/evaluation.md` explains every metric and slice of a report, and nothing else."""

from pathlib import Path

import numpy as np

from app.training.quality.markdown import METRIC_NAMES
from app.training.quality.slices import Circumstances, cold_start
from tests.docs.markdown_tables import rows_under

TEXT = Path(__file__).parents[2].joinpath("docs/evaluation.md").read_text()


def test_every_metric_is_explained_with_its_formula():
    rows = rows_under(TEXT, "Metric", "Formula", "How to read it")

    assert [row["Metric"] for row in rows] == list(METRIC_NAMES.values())
    assert all(row["Formula"] and row["How to read it"].endswith(".") for row in rows)


def test_every_kind_of_cold_start_is_explained():
    one, known = np.zeros(1, np.int64), np.ones(1, bool)
    slices = cold_start(Circumstances(one, known, known, one, ["c"], one, None))

    rows = rows_under(TEXT, "Slice", "How it is scored")

    assert [row["Slice"] for row in rows] == [part.name for part in slices]
