"""What `ctr-serve score` knows of users and ads beside their rows: Redis, if configured."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import typer

from app.errors import StartupRefused

if TYPE_CHECKING:
    from app.core.schema import FeatureSchema
    from app.scoring.features import FeatureSource
    from app.settings import Settings


@contextmanager
def feature_source(settings: "Settings", schema: "FeatureSchema") -> "Iterator[FeatureSource]":
    """Raises StartupRefused when the Redis of CTR_REDIS_URL does not answer."""
    from app.scoring.features import SentFeatures

    if settings.redis_url is None:
        yield SentFeatures(lambda line: typer.echo(f"ctr-serve: {line}", err=True))
        return
    with asyncio.Runner() as runner:
        yield from _stored_features(settings, settings.redis_url.get_secret_value(), schema, runner)


def _stored_features(
    settings: "Settings", redis_url: str, schema: "FeatureSchema", runner: asyncio.Runner
) -> "Iterator[FeatureSource]":
    from app.features.bulk_load import LOADING_TIMEOUT_S
    from app.features.feature_reader import FeatureReader
    from app.main import open_store
    from app.monitoring.metrics import Metrics
    from app.scoring.features import StoredFeatures

    store = open_store(settings, redis_url, timeout_s=LOADING_TIMEOUT_S)
    reader = FeatureReader(store, Metrics(), timeout_s=LOADING_TIMEOUT_S)
    try:
        problem = runner.run(store.connection_problem())
        if problem is not None:
            raise StartupRefused(f"the Redis of CTR_REDIS_URL does not answer: {problem}")
        yield StoredFeatures(reader, schema, runner)
    finally:
        runner.run(reader.close())
        runner.run(store.close())
