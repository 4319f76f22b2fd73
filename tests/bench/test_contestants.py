"""Every contestant can be started from its settings and its pinned requirements."""

import re

import pytest

from app.settings import PREFIX, Settings
from bench.race import contestants
from bench.race.contestants import (
    CONTESTANTS,
    OUR_SETTINGS,
    OURS,
    PEER_SETTINGS,
    PEERS,
    Checkpoint,
    NotStartable,
    contestant,
)
from bench.race.environments import REQUIREMENTS


@pytest.fixture
def checkpoint(tmp_path) -> Checkpoint:
    return Checkpoint(tmp_path / "store", "race", tmp_path / "export")


@pytest.mark.parametrize("peer", PEER_SETTINGS)
def test_a_peer_has_a_service_and_pinned_requirements(peer):
    requirements = REQUIREMENTS.joinpath(f"{peer}.txt").read_text().split()

    assert list(PEERS.glob(f"{peer}_*.py"))
    assert all(re.fullmatch(r"[\w\[\]-]+==[\w.]+", requirement) for requirement in requirements)
    assert "torch==2.13.0" in requirements


def test_ours_is_one_of_them_and_its_settings_exist(checkpoint, tmp_path):
    entry = contestant(OURS, checkpoint, redis_url="unix://x", port=8001, cache=tmp_path)

    known = {PREFIX + name.upper() for name in Settings.model_fields}
    assert OURS in CONTESTANTS
    assert set(OUR_SETTINGS) <= set(entry.variables) <= known


def test_without_java_torchserve_says_so(checkpoint, tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(NotStartable, match="Java"):
        contestant("torchserve", checkpoint, redis_url="unix://x", port=8001, cache=tmp_path)


def test_a_peer_on_two_cores_uses_both_and_no_more():
    for settings in contestants.PEER_SETTINGS.values():
        assert settings.workers * settings.torch_threads == 2
