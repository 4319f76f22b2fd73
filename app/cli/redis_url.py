"""Which Redis a command talks to: the configured one, else a server of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from app.settings import Settings


@contextmanager
def redis_url_of(settings: Settings) -> Iterator[str]:
    """Yields CTR_REDIS_URL, or the URL of an embedded server that stops with this block."""
    from app.features.embedded_redis import embedded_redis

    if settings.redis_url is not None:
        yield settings.redis_url.get_secret_value()
        return
    with embedded_redis() as url:
        yield url
