"""Work beside requests, on a thread that gets what they leave it of the CPUs."""

import asyncio
import os
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import TypeVar

Result = TypeVar("Result")

NICENESS = 15  # the kernel's threads have 10
SWITCH_S = 0.0005  # after which a thread that computes in Python has to let others go on


async def in_background(call: Callable[[], Result]) -> Result:
    """The thread ends with the call; when the process ends, nobody waits for it."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Result] = loop.create_future()

    def settle(result: Result | None, error: BaseException | None) -> None:
        if done.done():
            return  # nobody waits for it any more
        if error is not None:
            done.set_exception(error)
        else:
            done.set_result(result)  # type: ignore[arg-type]  # of the call, which raised nothing

    def work() -> None:
        step_back()
        result, error = None, None
        try:
            result = call()
        except BaseException as raised:  # noqa: BLE001 - whoever awaits it decides
            error = raised
        with suppress(RuntimeError):  # the event loop is closed
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=work, name="background", daemon=True).start()
    return await done


def prefer_requests() -> None:
    """Once per process: by default the event loop waits 5 ms for a thread that computes."""
    sys.setswitchinterval(SWITCH_S)


def step_back() -> None:
    """Only this thread, which only Linux can do; where that is refused it is less polite."""
    if sys.platform == "linux":
        with suppress(OSError):
            thread = threading.get_native_id()
            politer = max(NICENESS, os.getpriority(os.PRIO_PROCESS, thread))  # root could step up
            os.setpriority(os.PRIO_PROCESS, thread, politer)
