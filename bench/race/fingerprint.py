"""The machine and the software of a run, so that nobody compares numbers across them."""

import os
import platform
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import torch

ISA_FLAGS = ("avx2", "fma", "avx512f", "avx512_bf16", "avx512_vnni", "amx_bf16", "asimd", "sve")


@dataclass(frozen=True, slots=True)
class Fingerprint:
    """Everything that changes absolute times."""

    cpu: str
    cores: int
    isa: list[str]
    memory_gib: float
    kernel: str
    python: str
    torch: str
    commit: str
    taken_at: str


def fingerprint() -> Fingerprint:
    cpu = Path("/proc/cpuinfo").read_text()
    flags = set((value_of("flags", cpu) or value_of("Features", cpu)).split())
    memory_kib = int(value_of("MemTotal", Path("/proc/meminfo").read_text()).split()[0])
    return Fingerprint(
        cpu=value_of("model name", cpu) or platform.machine(),
        cores=len(os.sched_getaffinity(0)),
        isa=[flag for flag in ISA_FLAGS if flag in flags],
        memory_gib=round(memory_kib / 2**20, 1),
        kernel=platform.release(),
        python=f"{platform.python_version()} ({platform.python_compiler()})",
        torch=torch.__version__,
        commit=_commit(),
        taken_at=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def value_of(name: str, text: str) -> str:
    """The first value of a `name : value` line; nothing if there is none."""
    for line in text.splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _commit() -> str:
    try:
        command = ["git", "describe", "--always", "--dirty"]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()
