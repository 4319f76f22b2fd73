"""What lives as long as the process is not looked through for garbage."""

import gc
from pathlib import Path

from tests.serving import patient, serving


def test_a_running_service_has_frozen_what_it_was_built_from(
    model_store: Path, redis_url: str
) -> None:
    gc.unfreeze()

    with serving(patient(model_store=model_store), redis_url):
        frozen = gc.get_freeze_count()

    gc.unfreeze()
    assert frozen > 100_000
