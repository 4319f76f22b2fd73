"""A virtual environment for each peer, made once from its pinned requirements."""

import hashlib
import subprocess
import sys
from pathlib import Path

REQUIREMENTS = Path(__file__).parent / "peers" / "requirements"
INSTALL_TIMEOUT_S = 1800
STAMP = "installed"


class NotInstallable(Exception):
    """The environment cannot be made here; the message says why, in one line."""


def environment_of(peer: str, cache: Path) -> Path:
    """The peer's python, installed if it is not yet. Raises NotInstallable."""
    requirements = REQUIREMENTS / f"{peer}.txt"
    digest = hashlib.sha256(requirements.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = cache / "environments" / f"{peer}-{digest}"
    python = folder / "bin" / "python"
    if folder.joinpath(STAMP).exists():
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(folder)])
    install = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    _run([str(python), *install, "--requirement", str(requirements)])
    folder.joinpath(STAMP).touch()
    return python


def _run(command: list[str]) -> None:
    try:
        subprocess.run(
            command, check=True, capture_output=True, text=True, timeout=INSTALL_TIMEOUT_S
        )
    except subprocess.TimeoutExpired as error:
        raise NotInstallable(f"not installed within {INSTALL_TIMEOUT_S} s") from error
    except subprocess.CalledProcessError as error:
        raise NotInstallable(f"not installable: {last_line(error.stderr)}") from error


def last_line(text: str) -> str:
    """What a program said at its end; most often the reason."""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    return lines[-1][:300] if lines else "it said nothing"
