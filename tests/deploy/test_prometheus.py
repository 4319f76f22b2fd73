"""Prometheus scrapes the service where it listens, and alerts by what it exposes."""

import re

import pytest
import yaml

from tests.deploy.deployment import (
    JOB,
    PROMETHEUS,
    ROOT,
    SERVICES,
    published_port,
    seconds_of,
    settings_of_the_service,
    target_of,
)
from tests.deploy.exposed_series import problems, routes
from tests.deploy.promql import selectors

(GROUP,) = yaml.safe_load((ROOT / "deploy/prometheus/alerts.yml").read_text())["groups"]
ALERTS = {rule["alert"]: rule for rule in GROUP["rules"]}
SELECTED = [(name, found) for name, rule in ALERTS.items() for found in selectors(rule["expr"])]


def test_the_service_is_scraped_where_it_listens():
    (static,) = JOB["static_configs"]

    assert static["targets"] == [f"ctr-serve:{settings_of_the_service().port}"]
    assert "ctr-serve" in SERVICES
    assert JOB["metrics_path"] in routes()


def test_prometheus_reads_the_files_that_are_mounted():
    options = dict(option.split("=", 1) for option in SERVICES["prometheus"]["command"])
    mounted = {
        name: target_of("prometheus", f"./deploy/prometheus/{name}")
        for name in ("prometheus.yml", "alerts.yml")
    }

    assert options["--config.file"] == mounted["prometheus.yml"]
    assert PROMETHEUS["rule_files"] == [mounted["alerts.yml"]]
    assert options["--storage.tsdb.path"] == target_of("prometheus", "prometheus")


def test_prometheus_is_checked_on_its_published_port():
    check = SERVICES["prometheus"]["healthcheck"]["test"]

    assert check[-1].endswith(f":{published_port('prometheus')}")


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_asks_for_what_is_exposed(name):
    assert problems(ALERTS[name]["expr"]) == []


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_compares_or_looks_for_absence(name):
    assert re.search(r"(>|==) [\d.]+|absent\(", ALERTS[name]["expr"])


@pytest.mark.parametrize("name", ALERTS)
def test_every_alert_says_how_bad_it_is_and_what_to_look_at(name):
    rule = ALERTS[name]

    assert name.startswith("CtrServe")
    assert rule["labels"]["severity"] in {"critical", "warning"}
    assert set(rule["annotations"]) == {"summary", "description"}


def test_alerts_select_the_job_that_is_scraped():
    jobs = {value for _, found in SELECTED for label, _, value in found.matchers if label == "job"}

    assert jobs == {JOB["job_name"]}


@pytest.mark.parametrize(("name", "found"), [item for item in SELECTED if item[1].window])
def test_every_window_holds_several_scrapes(name, found):
    scrapes = seconds_of(found.window) / seconds_of(PROMETHEUS["global"]["scrape_interval"])

    assert scrapes >= 4, name


@pytest.mark.parametrize("name", ALERTS)
def test_an_alert_quotes_only_labels_that_it_keeps(name):
    rule = ALERTS[name]
    quoted = set(re.findall(r"\$labels\.(\w+)", yaml.safe_dump(rule["annotations"])))

    kept = {
        label
        for found in selectors(rule["expr"])
        for label in (found.kept_labels[0] if found.kept_labels else {"instance", "job"})
    }

    assert quoted <= kept
