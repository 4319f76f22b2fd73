"""Whoever looks at versions needs no key, so it costs little and tells little of the machine."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from app.errors import ArtifactRefused, VersionRefused
from app.monitoring.metrics import Metrics
from app.registry.model_store import ModelStore
from app.registry.overview import Overview, VersionOverview
from app.registry.registry import Registry
from app.registry.served_models import ServedModels
from app.registry.version_states import VersionKey
from tests.artifacts import publish_tiny_version
from tests.registry.registries import loader_of

pytestmark = pytest.mark.anyio


class CountingStore(ModelStore):
    """Counts how often its versions are listed, and takes a while for it on a clock of its own."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.now_s = 0.0
        self.reading_s = 0.0
        self.listed = 0

    def monotonic_s(self) -> float:
        return self.now_s

    def versions(self, name: str) -> list[str]:
        self.listed += 1
        self.now_s += self.reading_s
        return super().versions(name)


@pytest.fixture
def store(tmp_path: Path) -> CountingStore:
    """With versions 1 and 2 of "tiny", of which 1 is active."""
    for seed in range(2):
        publish_tiny_version(tmp_path, seed=seed)
    (tmp_path / "tiny" / "ACTIVE").write_text("1\n")
    return CountingStore(tmp_path)


@pytest.fixture
async def registry(store: CountingStore) -> Iterator[Registry]:
    loader = loader_of(store, Metrics())
    servable = loader.open(loader.load(VersionKey("tiny", "1")))
    models = ServedModels({"tiny": servable}, default="tiny")
    registry = Registry(models, loader, Metrics(), keep_previous=False)
    yield registry
    await registry.drain()


@pytest.fixture
def overview(registry: Registry, store: CountingStore) -> Overview:
    return Overview(registry, monotonic_s=store.monotonic_s)


async def by_version(overview: Overview) -> dict[str, VersionOverview]:
    return {one.version: one for one in await overview.versions("tiny")}


async def test_many_who_look_at_once_read_the_store_once(overview, store):
    seen = await asyncio.gather(*(by_version(overview) for _ in range(50)))

    assert store.listed == 1
    assert all(set(one) == {"1", "2"} for one in seen)


async def test_it_is_read_anew_after_a_second(overview, store):
    counts = []
    for at_s in (0.0, 0.9, 1.0, 1.5, 2.0):
        store.now_s = at_s
        await overview.versions("tiny")
        counts.append(store.listed)

    assert counts == [1, 1, 2, 2, 3]


async def test_a_store_that_is_slow_to_read_is_read_a_tenth_of_the_time(overview, store):
    store.reading_s = 5.0
    await overview.versions("tiny")

    store.now_s = 54.9
    await overview.versions("tiny")
    early = store.listed
    store.now_s = 55.0
    await overview.versions("tiny")

    assert (early, store.listed) == (1, 2)


async def test_states_are_those_of_now_and_what_is_loaded_is_known_at_once(
    overview, store, registry
):
    before = await by_version(overview)
    publish_tiny_version(store.root, seed=2)

    await registry.activate("tiny", "3")
    after = await by_version(overview)

    assert [one.state for one in before.values()] == ["ACTIVE", "STORED"]
    assert after["3"].state == "ACTIVE"
    assert after["3"].architecture == "dien"
    assert store.listed == 2  # by the overview, and by the activation


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ("manifest.json", "tiny/2/manifest.json: Invalid JSON"),
        ("weights.safetensors", "tiny/2/weights.safetensors is not the file that was published"),
    ],
)
async def test_a_reason_names_files_as_they_are_in_the_store(
    overview, store, registry, caplog, file, reason
):
    damaged = store.root / "tiny" / "2" / file
    damaged.write_bytes(b"\0" + damaged.read_bytes()[1:])

    with pytest.raises(VersionRefused) as refused:
        await registry.activate("tiny", "2")
    shown = (await by_version(overview))["2"].reason

    assert shown.startswith(reason)
    assert str(store.root) not in shown + refused.value.detail
    assert str(damaged) in caplog.records[-1].reason  # of the log


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ("{root}/tiny/2/golden.json is a symbolic link", "tiny/2/golden.json is a symbolic link"),
        ("there is no model store at {root}", "there is no model store at the model store"),
        ("{root}-else/a is not meant", "{root}-else/a is not meant"),
        ("several\nlines", "several lines"),
    ],
)
def test_where_the_store_is_concerns_nobody_who_asks(tmp_path, said, reason):
    error = ArtifactRefused(said.format(root=tmp_path))

    assert ModelStore(tmp_path).public_reason(error) == reason.format(root=tmp_path)


@pytest.mark.parametrize("root", [".", "models"])
def test_of_a_store_at_a_relative_place_too(root, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    store = ModelStore(Path(root))
    error = ArtifactRefused(f"{store.folder('tiny', '2')}: a word of models. {tmp_path / root}/a")

    assert store.public_reason(error) == "tiny/2: a word of models. a"
