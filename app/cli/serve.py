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
    from app.api.server import Server, bind
    from app.cli.redis_url import redis_url_of
    from app.main import build_service
    from app.monitoring.logs import configure_logging

    # Until the server takes over: a stop while models load still cleans up.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    configure_logging(settings.log_level)
    with bind(settings.host, settings.port) as listener, redis_url_of(settings) as redis_url:
        server = Server.of(
            build_service(settings, redis_url), shutdown_grace_s=settings.shutdown_grace_s
        )
        server.run(sockets=[listener])
