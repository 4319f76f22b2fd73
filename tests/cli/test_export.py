"""`ctr-serve export` as a person runs it: measured, stored, served, or refused in one line."""

import json
from pathlib import Path

import pytest
from typer.testing import Result

from tests.artifacts import TINY_ARCHITECTURES
from tests.cli.commands import ctr_serve, refusal_of, run_here
from tests.registry.exports.exported import publish_with_held_out

ROOMY = ("--max-auc-loss", "0.01", "--max-ctr-difference", "0.05")


@pytest.fixture
def store(tmp_path: Path) -> Path:
    publish_with_held_out(tmp_path)
    return tmp_path


def export(store: Path, *arguments: str) -> Result:
    result = run_here("export", *arguments, CTR_MODEL_STORE=str(store))
    assert result.exit_code == 0, result.output + repr(result.exception)
    return result


def test_a_name_alone_is_its_active_version_and_json_is_what_the_manifest_says(store):
    finished = export(store, "tiny", "--runtime", "int8", *ROOMY, "--json")

    manifest = json.loads((store / "tiny" / "2" / "manifest.json").read_bytes())
    assert json.loads(finished.stdout) == manifest["exports"]["int8"]


def test_a_person_is_told_what_it_lost_and_how_to_serve_it(store):
    finished = ctr_serve(
        *("export", "tiny@2", "--runtime", "bf16", *ROOMY), CTR_MODEL_STORE=str(store)
    )

    assert finished.returncode == 0, finished.stderr
    assert "runtimes/bf16.safetensors" in finished.stdout
    assert "AUC" in finished.stdout
    assert finished.stdout.endswith("Serve it with CTR_RUNTIME=bf16.\n")


@pytest.mark.parametrize("runtime", ["int8", "torchscript"])
def test_sessions_can_be_exported_too(tmp_path, runtime):
    publish_with_held_out(tmp_path, architecture=TINY_ARCHITECTURES["dsin"])

    finished = export(tmp_path, "tiny", "--runtime", runtime, *ROOMY)

    assert finished.stdout.endswith(f"Serve it with CTR_RUNTIME={runtime}.\n")


def test_without_samples_it_is_said_that_there_is_no_auc(store):
    finished = export(store, "tiny@1", "--runtime", "bf16", *ROOMY)

    assert "No AUC" in finished.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("tiny@2", "--runtime", "int8", "--max-ctr-difference", "0"), "int8 moves a CTR by"),
        (("tiny@9", "--runtime", "int8"), "tiny has no version 9"),
        (("other", "--runtime", "int8"), "other has no active version"),
        (("tiny", "--runtime", "int8", "--samples", "nowhere"), "nowhere"),
    ],
)
def test_what_cannot_be_made_is_refused_in_one_line(store, arguments, reason):
    assert reason in refusal_of("export", *arguments, CTR_MODEL_STORE=str(store))


def test_a_service_that_is_told_to_run_what_nobody_made_does_not_start(store):
    finished = ctr_serve("serve", CTR_PORT="0", CTR_MODEL_STORE=str(store), CTR_RUNTIME="int8")

    assert finished.returncode == 2
    assert finished.stderr == (
        "ctr-serve: CTR_RUNTIME=int8, but tiny@2 has no int8 runtime: "
        "`ctr-serve export tiny@2 --runtime int8` makes it\n"
    )
