"""The report says what was measured: a dash for what is undefined, a null in JSON."""

import json
import re

import numpy as np
import orjson
import pytest

from app.training.quality.bootstrap import Bootstrap
from app.training.quality.click_statistics import CLICK_METRICS
from app.training.quality.evaluation import EvaluationOptions, Identity, evaluate_rows
from app.training.quality.markdown import METRIC_NAMES, as_markdown
from app.training.quality.slices import Circumstances
from app.training.quality.top_k import TOP_K_METRICS
from tests.docs.markdown_tables import rows_under
from tests.training.quality.scored import scored

ROWS = 120
OPTIONS = EvaluationOptions(ks=(1, 3), bins=4, bootstrap=Bootstrap(resamples=50))
SLICE_COLUMNS = ("slice", "rows", "clicks", "users", "AUC", "GAUC", "logloss", "NE", "PCOC", "ECE")
IDENTITY = Identity(
    name="ads",
    version="3",
    architecture={"name": "dien"},
    calibration={"kind": "platt"},
    torch_version="2.0",
    weights_sha256="ab" * 32,
    split="test",
    samples_file="test.tsv",
    samples_sha256="cd" * 32,
    samples_of_training=True,
)


def evaluated(*, categories=("shoes", "books"), calibrated=True):
    rng = np.random.default_rng(0)
    codes = np.arange(ROWS) % len(categories)
    rows = scored(rng.normal(size=ROWS), rng.integers(0, 2, ROWS), np.arange(ROWS) // 4)
    known = np.ones(ROWS, bool)
    circumstances = Circumstances(
        history_length_C=np.full(ROWS, 3),
        item_known_C=known,
        category_known_C=known,
        category_C=codes,
        categories=categories,
        item_C=np.arange(ROWS) % 7,
        training_clicks_C=None,
    )
    return evaluate_rows(IDENTITY, rows, rows if calibrated else None, circumstances, OPTIONS)


@pytest.fixture(scope="module")
def evaluation():
    return evaluated()


@pytest.fixture(scope="module")
def page(evaluation):
    return as_markdown(evaluation)


def test_it_begins_with_the_version_and_its_fingerprints(page):
    assert page.startswith("# ads@3 on test\n")
    assert IDENTITY.weights_sha256 in page
    assert IDENTITY.samples_sha256 in page
    assert "as in its training" in page


def test_every_row_of_a_table_has_as_many_cells_as_its_header(page):
    tables = re.findall(r"(?:^\|.*\|$\n?)+", page, re.MULTILINE)

    for table in tables:
        cells = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(cells) == 1
    assert len(tables) == 7  # no table of training clicks, which nobody counted


def test_the_metrics_have_values_and_intervals(evaluation, page):
    rows = rows_under(page, "metric", "value", "interval", "uncalibrated")

    auc = evaluation.whole.metrics["auc"]
    assert [row["metric"] for row in rows] == [METRIC_NAMES[name] for name in CLICK_METRICS]
    assert rows[0]["value"] == f"{auc.value:.4f}"
    assert rows[0]["interval"] == f"{auc.low:.4f} to {auc.high:.4f}"
    assert auc.low < auc.value < auc.high


def test_a_version_without_calibration_has_one_opinion():
    page = as_markdown(evaluated(calibrated=False))

    assert len(rows_under(page, "metric", "value", "interval")) == len(CLICK_METRICS)


def test_every_k_has_a_row(page):
    names = (METRIC_NAMES[name] for name in TOP_K_METRICS)

    rows = rows_under(page, "k", *names, "coverage", "longer lists")

    assert [row["k"] for row in rows] == ["1", "3"]
    assert rows[0]["diversity"] == "—"  # one ad has none to differ from


def test_an_empty_slice_is_dashes(page):
    rows = {row["slice"]: row for row in rows_under(page, *SLICE_COLUMNS)}

    cold = rows["user without history"]
    assert cold["rows"] == "0"
    assert {cold[name] for name in SLICE_COLUMNS[4:]} == {"—"}
    assert "—" not in rows["user with history"].values()


def test_a_category_cannot_break_its_table():
    page = as_markdown(evaluated(categories=("a|b", "two\nlines", "")))

    slices = [row["slice"] for row in rows_under(page, *SLICE_COLUMNS)]
    assert {r"a\|b", "two lines", "(missing)"} <= set(slices)


def test_what_is_undefined_is_null_in_json(evaluation):
    answer = json.loads(orjson.dumps(evaluation))

    cold = answer["cold_start"][-1]
    assert cold["metrics"]["auc"] == {"value": None, "low": None, "high": None}
    assert answer["top_k"][0]["metrics"]["diversity"]["value"] is None
    assert answer["whole"]["metrics"]["auc"]["value"] == evaluation.whole.metrics["auc"].value


def test_the_slices_of_a_partition_have_all_rows(evaluation):
    for by in ("history_length", "category"):
        assert sum(part.rows for part in evaluation.slices[by]) == ROWS
    assert sum(part.rows for part in evaluation.cold_start[:4]) == ROWS
