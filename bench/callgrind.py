"""Instructions of parts of a program, counted by valgrind's callgrind.

The program runs under `valgrind --tool=callgrind`, is counted where it says so and dumps each part
under a name. It says so by client requests, which are macros of C: a small library makes them.
"""

import ctypes
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

SHIM = """
#include <valgrind/callgrind.h>
void begin(void) { CALLGRIND_START_INSTRUMENTATION; }
void zero(void) { CALLGRIND_ZERO_STATS; }
void dump(const char *name) { CALLGRIND_DUMP_STATS_AT(name); }
void end(void) { CALLGRIND_STOP_INSTRUMENTATION; }
"""
SHIM_LIBRARY, DUMPS = "callgrind_shim.so", "dump"
TOOL = ("valgrind", "--tool=callgrind", "--instr-atstart=no")
ASKED_FOR = re.compile(r"^desc: Trigger: Client Request: (.+)$", re.MULTILINE)
INSTRUCTIONS = re.compile(r"^summary: (\d+)", re.MULTILINE)


def compile_shim(folder: Path) -> None:
    """Where a `Counter` finds it. Exits with one line that names what is missing, if so."""
    compiler = shutil.which("cc") or shutil.which("gcc")
    if shutil.which("valgrind") is None:
        sys.exit("instructions are counted by valgrind, which is not on PATH")
    if compiler is None:
        sys.exit("to count instructions takes a C compiler, and neither cc nor gcc is on PATH")
    source = folder / "callgrind_shim.c"
    source.write_text(SHIM)
    command = [compiler, "-shared", "-fPIC", "-o", str(folder / SHIM_LIBRARY), str(source)]
    compiled = subprocess.run(command, check=False, capture_output=True, text=True)
    if compiled.returncode:
        reason = next((line for line in compiled.stderr.splitlines() if "error" in line), "")
        sys.exit(f"valgrind/callgrind.h, of valgrind's package, cannot be used: {reason}")


def run_counted(folder: Path, command: Sequence[str]) -> dict[str, int]:
    """Instructions by the names under which the program counts, with a shim compiled there.

    The program's strings hash alike at every run. Exits with the end of what it said if it fails.
    """
    dumps = f"--callgrind-out-file={folder / DUMPS}"
    run = subprocess.run(
        [*TOOL, dumps, *command],
        env={**os.environ, "PYTHONHASHSEED": "0"},
        check=False,
        capture_output=True,
        text=True,
    )
    if run.returncode:
        sys.exit(f"under valgrind it failed:\n{run.stderr[-2000:]}")
    return read_counts(folder)


def read_counts(folder: Path) -> dict[str, int]:
    """Of all dumps that a program asked for."""
    counts = {}
    for dump in folder.glob(f"{DUMPS}.*"):
        text = dump.read_text()
        name, instructions = ASKED_FOR.search(text), INSTRUCTIONS.search(text)
        if name is not None and instructions is not None:
            counts[name[1]] = int(instructions[1])
    return counts


class Counter:
    """Inside of a program that `run_counted` runs."""

    def __init__(self, folder: Path) -> None:
        self._shim = ctypes.CDLL(str(folder / SHIM_LIBRARY))

    @contextmanager
    def at_work(self) -> Iterator[None]:
        """Whatever is counted must be in here, where everything is fifty times as slow."""
        self._shim.begin()
        yield
        self._shim.end()

    @contextmanager
    def counting(self, name: str) -> Iterator[None]:
        self._shim.zero()
        yield
        self._shim.dump(name.encode())
