"""Nothing stands between a request and its connection, so that hanging up is noticed."""

from starlette.middleware.base import BaseHTTPMiddleware  # noqa: TID251 - to find it

from app.api.server import KEEP_ALIVE_S, Server
from app.main import lifecycle_of
from app.monitoring.metrics import Metrics
from app.registry.served_models import ServedModels
from app.settings import Settings
from tests.api.stub_apis import BuggyRanker, api_with

LOAD_BALANCERS_IDLE_S = 60  # of AWS, nginx and others, by default


def test_no_middleware_hides_that_a_client_left() -> None:
    """Behind starlette's BaseHTTPMiddleware a disconnect is not seen."""
    api = api_with(BuggyRanker(""), ServedModels({}, default=None), Metrics())

    classes = [middleware.cls for middleware in api.application.user_middleware]

    assert classes
    assert not any(isinstance(cls, type) and issubclass(cls, BaseHTTPMiddleware) for cls in classes)


def test_idle_connections_are_kept_for_longer_than_load_balancers_keep_them() -> None:
    api = api_with(BuggyRanker(""), ServedModels({}, default=None), Metrics())
    settings = Settings()

    server = Server.of(
        api,
        lifecycle_of(settings),
        head_timeout_s=settings.head_timeout_s,
        answer_timeout_s=settings.answer_timeout_s,
    )

    assert server.config.timeout_keep_alive == KEEP_ALIVE_S
    assert KEEP_ALIVE_S > LOAD_BALANCERS_IDLE_S + 5
