"""`docs/metrics.md` is the metrics: all of them, their labels and values, and queries that work."""

from pathlib import Path
from typing import get_args

import pytest

from app.core.deadline import Stage
from app.core.request import Degradation
from tests.deploy.exposed_series import families, problems, shed_reasons
from tests.docs.markdown_tables import code_blocks, quoted, rows_under

TEXT = Path(__file__).parents[2].joinpath("docs/metrics.md").read_text()
ROWS = {
    quoted(row["Metric"])[0]: row for row in rows_under(TEXT, "Metric", "Type", "Labels", "Meaning")
}
VALUES = {row["Label"]: row["Values"] for row in rows_under(TEXT, "Label", "Values")}
FAMILIES = {family.exposed_name: family for family in families()}
QUERIES = code_blocks(TEXT, "promql")


def test_every_metric_is_documented_and_nothing_else_is():
    assert sorted(ROWS) == sorted(FAMILIES)


def test_no_metric_is_documented_twice():
    assert len(rows_under(TEXT, "Metric", "Type", "Labels", "Meaning")) == len(ROWS)


@pytest.mark.parametrize("name", sorted(ROWS.keys() & FAMILIES.keys()))
def test_the_table_has_the_type_and_the_labels(name):
    row, family = ROWS[name], FAMILIES[name]

    assert row["Type"] == family.type
    assert set(quoted(row["Labels"])) == family.labels
    assert (row["Labels"] == "—") == (not family.labels)
    assert row["Meaning"].endswith(".")


def test_the_documented_stages_are_the_stages():
    assert quoted(VALUES["`stage`"]) == list(get_args(Stage))


def test_the_documented_rungs_are_the_rungs():
    assert set(quoted(VALUES["`rung`"])) == set(get_args(Degradation))


def test_the_documented_reasons_are_the_errors_that_shed():
    documented = quoted(VALUES["`reason` of `ctr_shed_total`"])

    assert set(documented) - {"/health/ready"} == shed_reasons()


def test_every_label_of_the_service_has_its_values_explained():
    plain = {"model", "version", "architecture", "device", "status"}  # their names say it
    own = {
        label
        for family in FAMILIES.values()
        if family.name.startswith("ctr_")
        for label in family.labels
    }

    assert own - plain == {quoted(label)[0] for label in VALUES}


def test_there_are_queries_to_start_from():
    assert len(QUERIES) >= 5


@pytest.mark.parametrize("query", QUERIES)
def test_every_query_asks_for_what_is_exposed(query):
    assert problems(query) == []
