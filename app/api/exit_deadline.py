"""The last resort of stopping: a thread that ends the process, whatever it is stuck in."""

import logging
import os
import threading
import time

from app.api.lifecycle import Lifecycle

GAVE_UP = 1  # the exit status of a process that could not finish what it had begun
LAST_WORDS_S = 0.5  # the log may be what is stuck

log = logging.getLogger(__name__)


def end_in_time(lifecycle: Lifecycle) -> None:
    """From now on, the process is gone when its grace time is over."""
    threading.Thread(target=_watch, args=(lifecycle,), name="exit-deadline", daemon=True).start()


def leave_unless_clean(lifecycle: Lifecycle) -> None:
    """Without waiting for threads that still compute what nobody waits for."""
    if lifecycle.gave_up:
        os._exit(GAVE_UP)


def _watch(lifecycle: Lifecycle) -> None:
    lifecycle.wait_until_stopping()
    time.sleep(lifecycle.remaining_s())
    saying_so = threading.Thread(
        target=log.error, args=("the grace time is over, leaving at once",), daemon=True
    )
    saying_so.start()
    saying_so.join(LAST_WORDS_S)
    os._exit(GAVE_UP)
