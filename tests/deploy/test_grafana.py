"""Grafana finds its data source and dashboard, and every panel shows something that exists."""

import json
import re

import pytest
import yaml

from app.monitoring.metrics import Metrics
from tests.deploy.deployment import JOB, PROMETHEUS, ROOT, SERVICES, published_port, target_of
from tests.deploy.exposed_series import exposed_series, families, problems
from tests.deploy.promql import selectors

FOLDER = ROOT / "deploy/grafana"
(SOURCE,) = yaml.safe_load((FOLDER / "provisioning/datasources/prometheus.yml").read_text())[
    "datasources"
]
(PROVIDER,) = yaml.safe_load((FOLDER / "provisioning/dashboards/ctr-serve.yml").read_text())[
    "providers"
]
DASHBOARD = json.loads((FOLDER / "dashboards/ctr-serve.json").read_text())
ROWS = [panel for panel in DASHBOARD["panels"] if panel["type"] == "row"]
PANELS = {panel["title"]: panel for panel in DASHBOARD["panels"] if panel["type"] != "row"}
TARGETS = [(title, target) for title, panel in PANELS.items() for target in panel["targets"]]
UNITS = {"reqps", "cps", "s", "bytes", "percentunit", "short", "none"}


def test_the_data_source_is_the_prometheus_of_the_stack():
    assert SOURCE["url"] == f"http://prometheus:{published_port('prometheus')}"
    assert SOURCE["jsonData"]["timeInterval"] == PROMETHEUS["global"]["scrape_interval"]


def test_grafana_finds_what_is_mounted():
    home = SERVICES["grafana"]["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    provisioning = {
        kind: target_of("grafana", f"./deploy/grafana/provisioning/{kind}")
        for kind in ("datasources", "dashboards")
    }

    assert provisioning == {kind: f"/etc/grafana/provisioning/{kind}" for kind in provisioning}
    assert PROVIDER["options"]["path"] == target_of("grafana", "./deploy/grafana/dashboards")
    assert home == f"{PROVIDER['options']['path']}/ctr-serve.json"


def test_grafana_is_checked_on_its_published_port():
    check = SERVICES["grafana"]["healthcheck"]["test"]

    assert f":{published_port('grafana')}/" in check[-1]


def test_the_dashboard_has_the_rows_that_an_operator_looks_for():
    titles = [row["title"] for row in ROWS]

    assert titles == [
        *("Traffic", "Latency", "Batching", "Features", "Model", "Process", "Admission", "Rollout")
    ]


def test_panels_have_distinct_ids_and_do_not_overlap():
    cells = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    ids = [panel["id"] for panel in DASHBOARD["panels"]]

    assert len(set(ids)) == len(ids) == len(ROWS) + len(PANELS)
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_explains_itself(title):
    panel = PANELS[title]

    assert panel["description"].endswith(".")
    assert panel["fieldConfig"]["defaults"]["unit"] in UNITS


@pytest.mark.parametrize("title", PANELS)
def test_every_panel_asks_the_provisioned_data_source(title):
    panel = PANELS[title]

    assert panel["datasource"] == {"type": SOURCE["type"], "uid": SOURCE["uid"]}


@pytest.mark.parametrize(("title", "target"), TARGETS)
def test_every_panel_asks_for_what_is_exposed(title, target):
    assert problems(target["expr"]) == [], title


@pytest.mark.parametrize(("title", "target"), TARGETS)
def test_windows_follow_the_zoom_of_the_dashboard(title, target):
    windows = {found.window for found in selectors(target["expr"])} - {None}

    assert windows <= {"$__rate_interval"}, title


@pytest.mark.parametrize(
    ("title", "target"), [item for item in TARGETS if "legendFormat" in item[1]]
)
def test_every_legend_names_labels_that_the_expression_keeps(title, target):
    first = selectors(target["expr"])[0]
    kept = first.kept_labels[0] if first.kept_labels else exposed_series()[first.name].labels

    assert set(re.findall(r"{{(\w+)}}", target["legendFormat"])) <= kept, title


@pytest.mark.parametrize("title", PANELS)
def test_lines_of_one_panel_can_be_told_apart(title):
    legends = [target.get("legendFormat") for target in PANELS[title]["targets"]]

    assert len(set(legends)) == len(legends)


def test_seconds_are_shown_as_seconds_and_shares_as_shares():
    for title, panel in PANELS.items():
        unit = panel["fieldConfig"]["defaults"]["unit"]
        expressions = " ".join(target["expr"] for target in panel["targets"])
        is_time = bool(re.search("_(duration|age|lag)_seconds_|_cost_seconds ", expressions))
        assert is_time == (unit == "s"), title
        is_memory = bool(re.search("_(memory|folder)_bytes", expressions))
        assert is_memory == (unit == "bytes"), title


def test_shared_metrics_are_narrowed_to_the_scraped_job():
    for title, target in TARGETS:
        for found in selectors(target["expr"]):
            if not found.name.startswith("ctr_"):
                assert ("job", "=", JOB["job_name"]) in found.matchers, title


def test_every_metric_of_the_service_is_on_the_dashboard():
    shown = {found.name for _, target in TARGETS for found in selectors(target["expr"])}
    shown_families = {re.sub(r"_(total|bucket|sum|count)$", "", name) for name in shown}

    own = {family.name for family in families() if family.name.startswith("ctr_")}

    assert own - shown_families == set()


def test_the_table_of_models_shows_the_labels_of_the_metric():
    panel = PANELS["Served model versions"]
    (transformation,) = panel["transformations"]

    shown = set(transformation["options"]["include"]["names"])

    assert shown == {"instance", *Metrics().model_info._labelnames}
    assert panel["targets"][0]["instant"] is True
