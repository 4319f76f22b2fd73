"""The service, started like itself, with two ways to break it that no request can.

SIGUSR1 blocks its event loop. A batch of STUCK_CANDIDATES never comes back from its engine thread.
"""

import logging
import signal
import time
from typing import Any

from app.cli import main
from app.core.batch import RaggedBatch, Scores
from app.inference.engine import Engine

STUCK_CANDIDATES = 13
FOR_EVER_S = 3600

score = Engine.score


def stuck_or_score(engine: Engine, batch: RaggedBatch) -> Scores:
    if len(batch.user_of_C) == STUCK_CANDIDATES:
        time.sleep(FOR_EVER_S)
    return score(engine, batch)


def block(*_: Any) -> None:
    logging.getLogger("sabotage").warning("blocked")
    while True:
        pass


if __name__ == "__main__":
    Engine.score = stuck_or_score  # type: ignore[method-assign]
    signal.signal(signal.SIGUSR1, block)
    main()
