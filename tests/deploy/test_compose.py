"""The whole stack: who listens where, who may write what, and that every name leads somewhere."""

import re
from itertools import combinations

import pytest

from app.api.liveness import LIVE_PATH
from app.settings import Settings
from tests.deploy.deployment import (
    BUILDER,
    IMAGE,
    ROOT,
    SERVICES,
    STACK,
    STACK_TEXT,
    VOLUMES,
    bytes_of,
    redis_options,
    seconds_of,
    settings_in,
    settings_of_the_service,
    target_of,
)

CTR_SERVE = SERVICES["ctr-serve"]


def test_the_stack_is_the_service_its_redis_and_its_monitoring():
    assert set(SERVICES) == {"ctr-serve", "redis", "prometheus", "grafana"}


@pytest.mark.parametrize("name", ["redis", "prometheus", "grafana"])
def test_foreign_images_are_pinned_to_a_version(name):
    image, _, tag = SERVICES[name]["image"].partition(":")

    assert image
    assert re.match(r"v?\d+\.\d+", tag)


def test_the_service_is_built_from_this_repository():
    assert CTR_SERVE["build"]["context"] == "."
    assert set(CTR_SERVE["build"]["args"]) == {item.value for item in BUILDER.all("ARG")}
    assert set(CTR_SERVE["build"]["args"].values()) == {None}  # from the caller's shell, if at all


@pytest.mark.parametrize("name", SERVICES)
def test_no_service_can_gain_rights_or_write_outside_its_volumes(name):
    service = SERVICES[name]

    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["read_only"] is True
    assert "privileged" not in service


def test_only_the_service_may_run_what_it_has_unpacked():
    temporary = {name: service["tmpfs"] for name, service in SERVICES.items() if "tmpfs" in service}

    assert temporary == {"ctr-serve": ["/tmp:exec"], "grafana": ["/tmp"]}  # noqa: S108


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_has_limits(name):
    assert SERVICES[name]["cpus"] > 0
    assert bytes_of(SERVICES[name]["mem_limit"]) > 0


@pytest.mark.parametrize("name", SERVICES)
def test_every_service_says_whether_it_is_healthy(name):
    from_image = name == "ctr-serve" and IMAGE.all("HEALTHCHECK")

    assert from_image or SERVICES[name]["healthcheck"]["test"][0] in {"CMD", "CMD-SHELL"}


def test_the_service_is_healthy_as_long_as_its_event_loop_turns():
    *command, program = CTR_SERVE["healthcheck"]["test"]
    port = settings_of_the_service().liveness_port

    assert command == ["CMD", "python", "-c"]
    assert f"http://127.0.0.1:{port}{LIVE_PATH}" in program
    compile(program, "healthcheck", "exec")


def test_only_this_machine_reaches_the_stack():
    published = {name: service.get("ports", []) for name, service in SERVICES.items()}

    assert all(port.startswith("127.0.0.1:") for ports in published.values() for port in ports)


def test_the_service_is_published_on_the_port_that_it_listens_on():
    port = settings_of_the_service().port

    assert CTR_SERVE["ports"] == [f"127.0.0.1:{port}:{port}"]


def test_every_variable_of_the_service_is_a_setting():
    assert set(settings_in(CTR_SERVE["environment"])) <= set(Settings.model_fields)
    assert all(name.startswith("CTR_") for name in CTR_SERVE["environment"])


def test_the_service_asks_the_redis_of_the_stack():
    url = settings_of_the_service().redis_url.get_secret_value()

    assert re.fullmatch(r"redis://(\w+):6379/0", url)[1] in SERVICES
    assert CTR_SERVE["depends_on"] == {"redis": {"condition": "service_healthy"}}


def test_the_models_are_mounted_where_the_service_looks_for_them():
    assert target_of("ctr-serve", "./model_store") == str(settings_of_the_service().model_store)


def test_a_stopped_service_has_time_to_answer_what_it_accepted():
    grace_s = settings_of_the_service().shutdown_grace_s

    assert seconds_of(CTR_SERVE["stop_grace_period"]) >= grace_s + 5
    assert CTR_SERVE["init"] is True


def test_every_waited_for_service_exists():
    waited_for = {other for service in SERVICES.values() for other in service.get("depends_on", {})}

    assert waited_for == {"redis", "prometheus"}


@pytest.mark.parametrize(("name", "source"), [volume[:2] for volume in VOLUMES])
def test_every_mounted_file_exists_and_every_volume_is_declared(name, source):
    modes = [volume[3:] for volume in VOLUMES if volume[:2] == (name, source)]

    if source.startswith("./"):
        assert (ROOT / source).exists()
        assert modes == [("ro",)]
    else:
        assert source in STACK["volumes"]
        assert modes == [()]


def test_no_volume_is_declared_for_nobody():
    assert set(STACK["volumes"]) == {source for _, source, *_ in VOLUMES if source[0] != "."}


def test_redis_is_on_a_network_that_only_the_service_shares():
    shared = {
        (one, other)
        for one, other in combinations(SERVICES, 2)
        if set(SERVICES[one]["networks"]) & set(SERVICES[other]["networks"])
    }

    assert {pair for pair in shared if "redis" in pair} == {("ctr-serve", "redis")}
    assert {("ctr-serve", "prometheus"), ("prometheus", "grafana")} <= shared


def test_every_network_is_declared():
    used = {network for service in SERVICES.values() for network in service["networks"]}

    assert used == set(STACK["networks"])


def test_redis_never_forgets_a_user_and_stays_within_its_memory():
    options = redis_options()

    assert options["maxmemory-policy"] == "noeviction"
    assert options["appendonly"] == "yes"
    assert 2 * bytes_of(options["maxmemory"]) <= bytes_of(SERVICES["redis"]["mem_limit"])


def test_grafana_has_no_account_and_no_secret():
    environment = SERVICES["grafana"]["environment"]

    assert environment["GF_AUTH_ANONYMOUS_ORG_ROLE"] == "Viewer"
    assert environment["GF_SECURITY_DISABLE_INITIAL_ADMIN_CREATION"] == "true"
    assert environment["GF_AUTH_BASIC_ENABLED"] == "false"
    assert not re.search(r"PASSWORD|SECRET|TOKEN", STACK_TEXT)


def test_the_stack_starts_without_any_variable_set():
    assert "${" not in STACK_TEXT


def test_every_port_is_published_once():
    published = [port for service in SERVICES.values() for port in service.get("ports", [])]

    assert len(set(published)) == len(published) == 4
