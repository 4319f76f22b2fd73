"""How many CPUs this process may use: what it is bound to, and no more than its quota."""

import math
import os
from pathlib import Path

CGROUP = Path("/sys/fs/cgroup")


def usable_cpus(cgroup: Path = CGROUP) -> int:
    """At least one; a quota of one and a half counts as two, so that none of it is left unused."""
    quota = _quota(cgroup)
    bound = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    cpus = bound or 1
    return cpus if quota == math.inf else max(1, min(cpus, math.ceil(quota)))


def _quota(cgroup: Path) -> float:
    """CPUs' worth of time that a container may take, infinite without a limit."""
    try:  # version 2: "max 100000" or "150000 100000"
        limit, period = (cgroup / "cpu.max").read_text().split()
    except (OSError, ValueError):
        return _quota_of_version_1(cgroup)
    return math.inf if limit == "max" else int(limit) / int(period)


def _quota_of_version_1(cgroup: Path) -> float:
    try:
        limit, period = (
            int((cgroup / "cpu" / name).read_text())
            for name in ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        )
    except (OSError, ValueError):
        return math.inf
    return limit / period if limit > 0 and period > 0 else math.inf
