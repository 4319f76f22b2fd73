"""`ctr-serve serve`: the service itself."""

import signal
import sys
from typing import Annotated

import typer


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
        with bind(settings.host, settings.port) as listener, redis_url_of(settings) as redis_url:
            service = build_service(settings, redis_url, lifecycle)
            server = Server.of(service, lifecycle, head_timeout_s=settings.head_timeout_s)
            server.run(sockets=[listener])
    finally:
        leave_unless_clean(lifecycle)
