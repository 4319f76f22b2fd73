"""A service of one's own, changed by whoever has the admin key."""

from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

from tests.serving import RunningService, patient, serving

KEY = "correct horse battery staple"
BEARER = {"Authorization": f"Bearer {KEY}"}


def administered(
    model_store: Path, redis_url: str, **settings: Any
) -> AbstractContextManager[RunningService]:
    return serving(patient(model_store=model_store, admin_key=KEY, **settings), redis_url)
