"""`ctr-serve serve`: the service itself."""

import logging
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from app.api.lifecycle import Lifecycle
    from app.settings import Settings

log = logging.getLogger(__name__)


def serve(
    host: Annotated[str | None, typer.Option(help="Address to listen on [CTR_HOST].")] = None,
    port: Annotated[int | None, typer.Option(help="Port to listen on [CTR_PORT].")] = None,
) -> None:
    """Serve every active model of the model store over HTTP.

    Without CTR_REDIS_URL a private, empty Redis is started: requests then bring their own
    behaviors, or users are cold. All settings: docs/settings.md.

    Example: CTR_REDIS_URL=redis://127.0.0.1:6379/0 ctr-serve serve --port 8000
    """
    from app.settings import read_settings

    settings = read_settings(host=host, port=port)  # first: a bad one need not wait for torch
    from app.api.exit_deadline import end_in_time, leave_unless_clean
    from app.api.server import Server, bind
    from app.cli.redis_url import redis_url_of
    from app.main import build_service, lifecycle_of
    from app.monitoring.logs import configure_logging

    # Until the server takes over: a stop while models load still cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    configure_logging(settings.log_level)
    lifecycle = lifecycle_of(settings)
    end_in_time(lifecycle)
    try:
        with (
            bind(settings.host, settings.port) as listener,
            _liveness(settings, lifecycle) as liveness_port,
            redis_url_of(settings) as redis_url,
        ):
            service = build_service(settings, redis_url, lifecycle)
            if liveness_port is not None:
                log.info("answering liveness", extra={"port": liveness_port})
            server = Server.of(
                service,
                lifecycle,
                head_timeout_s=settings.head_timeout_s,
                answer_timeout_s=settings.answer_timeout_s,
            )
            server.run(sockets=[listener])
    finally:
        leave_unless_clean(lifecycle)


@contextmanager
def _liveness(settings: "Settings", lifecycle: "Lifecycle") -> Iterator[int | None]:
    """From now on, so while models load too, on its own port, if it has one."""
    from app.api.liveness import liveness_answered
    from app.api.server import bind

    if settings.liveness_port is None:
        yield None
        return
    blocked_after_s = settings.liveness_blocked_s
    with (
        bind(settings.host, settings.liveness_port, port_setting="CTR_LIVENESS_PORT") as listener,
        liveness_answered(
            listener, lifecycle.heartbeat.blocked_s, blocked_after_s=blocked_after_s
        ) as port,
    ):
        yield port
