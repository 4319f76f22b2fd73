"""The service under a wall clock that jumps by hours, forth and back, whenever it is looked at."""

import runpy
import time
from itertools import cycle

HOUR_S = 3600.0

wall_clock_s = time.time  # noqa: TID251 - the one that jumps
jumps_s = cycle((0.0, HOUR_S, -HOUR_S, 3 * HOUR_S))


def restless_s() -> float:
    return wall_clock_s() + next(jumps_s)


if __name__ == "__main__":
    time.time = restless_s  # noqa: TID251
    runpy.run_module("app", run_name="__main__")
