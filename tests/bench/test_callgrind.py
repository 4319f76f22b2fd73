"""Parts of a program are counted by name."""

import shutil
import sys
from pathlib import Path

import pytest

from bench.callgrind import compile_shim, read_counts, run_counted

HEADER = Path("/usr/include/valgrind/callgrind.h")
needs_valgrind = pytest.mark.skipif(
    not (shutil.which("valgrind") and shutil.which("cc") and HEADER.exists()),
    reason="needs valgrind with its header, and a C compiler",
)

DUMP = """# callgrind format
version: 1

desc: Timerange: Basic block 0 - 12088921
desc: Trigger: {trigger}

positions: line
events: Ir
summary: {instructions}

fn=(1) main
0 1080

totals: 27952336
"""
PROGRAM = """
import sys
from pathlib import Path
from bench.callgrind import Counter

counter = Counter(Path(sys.argv[1]))
with counter.at_work():
    for name, times in (("warm up", 9), ("once", 5_000), ("twice", 10_000)):
        with counter.counting(name):
            for number in range(times):
                str(number)
"""


def test_counts_are_those_of_the_dumps_that_were_asked_for(tmp_path):
    write_dump(tmp_path, 1, "Client Request: parse", 500)
    write_dump(tmp_path, 2, "Client Request: log line, metrics", 20)
    write_dump(tmp_path, 3, "Program termination", 7)

    assert read_counts(tmp_path) == {"parse": 500, "log line, metrics": 20}


def test_without_valgrind_one_line_says_so(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(SystemExit, match=r"^[^\n]*valgrind, which is not on PATH$"):
        compile_shim(tmp_path)


@needs_valgrind
def test_twice_the_work_is_twice_the_instructions(tmp_path):
    compile_shim(tmp_path)

    counts = run_counted(tmp_path, [sys.executable, "-c", PROGRAM, str(tmp_path)])

    assert counts["twice"] / counts["once"] == pytest.approx(2, rel=0.1)


@needs_valgrind
def test_a_program_that_fails_says_why(tmp_path):
    with pytest.raises(SystemExit, match="ZeroDivisionError"):
        run_counted(tmp_path, [sys.executable, "-c", "1 / 0"])


def write_dump(folder: Path, number: int, trigger: str, instructions: int) -> None:
    dump = DUMP.format(trigger=trigger, instructions=instructions)
    folder.joinpath(f"dump.{number}").write_text(dump)
