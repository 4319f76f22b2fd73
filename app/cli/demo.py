"""`ctr-serve demo`: a whole ad world on this machine, ranked by the shipped model."""

from typing import Annotated

import typer

USERS_SHOWN = 3


def demo(
    once: Annotated[bool, typer.Option("--once", help="Exit after the tables.")] = False,
    port: Annotated[int | None, typer.Option(help="Port to listen on [CTR_PORT].")] = None,
) -> None:
    """Rank simulated ads for simulated users, beside their true CTR.

    Starts a private Redis, loads a simulated world's click histories into it, serves the shipped
    model on 127.0.0.1, asks it over HTTP and prints what it answered. Then it keeps serving and
    says which curl to try.
    """
    import signal
    from contextlib import suppress

    from app.api.server import Server, bind
    from app.cli import demo_world
    from app.cli.background_server import running_in_background
    from app.cli.demo_table import console, curl_to_try, show_ranking
    from app.features.embedded_redis import embedded_redis
    from app.main import build_service, lifecycle_of
    from app.monitoring.logs import configure_logging
    from app.registry.served_models import SHIPPED_DEMO
    from app.settings import read_settings

    signal.signal(signal.SIGTERM, signal.default_int_handler)
    settings = read_settings(
        host="127.0.0.1",
        port=port,
        default_model=SHIPPED_DEMO,
        log_level="WARNING",
        shutdown_grace_s=1,
    )
    configure_logging(settings.log_level)
    with bind(settings.host, settings.port) as listener, embedded_redis() as redis_url:
        world = demo_world.simulate_world()
        demo_world.load_histories(world, redis_url, settings.max_stored_behaviors)
        lifecycle = lifecycle_of(settings)
        service = build_service(settings, redis_url, lifecycle)
        server = Server.of(
            service,
            lifecycle,
            head_timeout_s=settings.head_timeout_s,
            answer_timeout_s=settings.answer_timeout_s,
        )
        with running_in_background(server, listener):
            url = "http://{}:{}".format(*listener.getsockname())
            rankings = demo_world.rank_for_users(world, url, count=USERS_SHOWN)
            for ranking in rankings:
                show_ranking(ranking)
            if not once:
                console.print(curl_to_try(rankings[0], url), soft_wrap=True, markup=False)
                with suppress(KeyboardInterrupt):
                    signal.pause()
