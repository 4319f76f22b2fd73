"""HEAD is answered as GET is, for load balancers that probe with it."""

from starlette.types import Scope

ASKED_METHOD = "ctr.asked_method"  # where a scope has it, if it is another one than it says


def as_get(scope: Scope) -> Scope:
    """The server leaves the body out: it knows what it was asked."""
    if scope["type"] == "http" and scope["method"] == "HEAD":
        return {**scope, "method": "GET", ASKED_METHOD: "HEAD"}
    return scope


def asked_method(scope: Scope) -> str:
    method: str = scope.get(ASKED_METHOD) or scope["method"]
    return method


def allow_head(methods: str) -> str:
    """Of an `Allow` header: HEAD is allowed wherever GET is."""
    named = methods.split(", ")
    return f"{methods}, HEAD" if "GET" in named and "HEAD" not in named else methods
