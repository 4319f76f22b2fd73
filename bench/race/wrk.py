"""The closed loop by wrk, where it is on PATH: C, and so the lightest client there is."""

import json
import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bench.race.client import Address, Wire

# wrk calls request() for each one that it sends; the parts are read once, before the clock runs.
SCRIPT = """
local function parts(name)
  local file, found = assert(io.open(name, "rb")), {}
  while true do
    local size = file:read(8)
    if not size then return found end
    found[#found + 1] = file:read(tonumber(size))
  end
end
local heads, tails = parts("%s"), parts("%s")
local index = 0
request = function()
  index = index + 1
  return heads[(index - 1) %% #heads + 1] .. tails[(index - 1) %% #heads %% #tails + 1]
end
done = function(summary, latency)
  io.write(string.format('{"requests":%%d,"seconds":%%f,"p50_ms":%%f,"p90_ms":%%f,"p99_ms":%%f,' ..
    '"max_ms":%%f,"refused":%%d,"unanswered":%%d}\\n', summary.requests,
    summary.duration / 1e6, latency:percentile(50) / 1e3, latency:percentile(90) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3, summary.errors.status,
    summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
"""


@dataclass(frozen=True, slots=True)
class WrkResult:
    """What wrk counted."""

    requests: int
    refused: int
    unanswered: int
    seconds: float
    p50_ms: float
    p90_ms: float
    p99_ms: float
    max_ms: float

    @property
    def good(self) -> int:
        return self.requests - self.refused


def wrk_is_here() -> bool:
    return shutil.which("wrk") is not None


def run_wrk(
    address: Address, requests: Sequence[Wire], work: Path, *, connections: int, seconds: int
) -> WrkResult:
    """Raises RuntimeError if wrk prints no result."""
    heads, tails = [head for head, _ in requests], _period([tail for _, tail in requests])
    script = work / "race.lua"
    script.write_text(SCRIPT % (_write(work / "heads", heads), _write(work / "tails", tails)))
    url = f"http://{address.host}:{address.port}"
    options = ["-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "10s", "-s", str(script)]
    command = ["wrk", *options, url]
    output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
    line = re.search(r"^\{.*\}$", output, re.MULTILINE)
    if line is None:
        raise RuntimeError(f"wrk printed no result:\n{output}")
    return WrkResult(**json.loads(line[0]))


def _period(tails: list[bytes]) -> list[bytes]:
    """Tails repeat: those up to the first that comes again."""
    seen: set[int] = set()
    for count, tail in enumerate(tails):
        if id(tail) in seen:
            return tails[:count]
        seen.add(id(tail))
    return tails


def _write(file: Path, parts: Sequence[bytes]) -> Path:
    """Each part after its length in eight digits."""
    file.write_bytes(b"".join(f"{len(part):08}".encode() + part for part in parts))
    return file
