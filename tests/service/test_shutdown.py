"""A real process that is told to stop: it finishes what it has begun and takes its Redis along."""

import json
import signal
from pathlib import Path

import pytest

from tests.api.bodies import body
from tests.api.raw_http import parse, post, read_to_end
from tests.serving import service_process

VALID = json.dumps(body()).encode()


def embedded_redis_folders(folder: Path) -> list[Path]:
    return list(folder.glob("ctr-redis-*"))


def test_sigterm_lets_a_request_in_flight_finish(model_store: Path, tmp_path: Path) -> None:
    request = post(b"", f"Content-Length: {len(VALID)}", "Expect: 100-continue")
    settings = {"CTR_MODEL_STORE": str(model_store), "TMPDIR": str(tmp_path)}
    with service_process(settings) as running, running.service.connect() as connection:
        connection.sendall(request)
        assert connection.recv(2**16).startswith(b"HTTP/1.1 100")  # it is being served

        running.process.send_signal(signal.SIGTERM)
        running.read_log_until("stopping")
        connection.sendall(VALID)
        answer = parse(read_to_end(connection))

        assert answer.status == 200
        assert len(json.loads(answer.content)["ranked"]) == 5
        assert running.stop() == 0
        assert embedded_redis_folders(tmp_path) == []


@pytest.mark.parametrize(
    ("number", "exit_code"), [(signal.SIGTERM, 0), (signal.SIGINT, 130)], ids=["term", "int"]
)
def test_a_stopped_process_leaves_no_redis_behind(
    model_store: Path, tmp_path: Path, number: signal.Signals, exit_code: int
) -> None:
    settings = {"CTR_MODEL_STORE": str(model_store), "TMPDIR": str(tmp_path)}
    with service_process(settings) as running:
        (folder,) = embedded_redis_folders(tmp_path)
        assert running.service.ranking(body())["degraded"] is None

        assert running.stop(number) == exit_code
        assert not folder.exists()
        assert not redis_processes(folder)


def redis_processes(folder: Path) -> list[str]:
    """Command lines of processes that still name the folder."""
    command_lines = (process / "cmdline" for process in Path("/proc").glob("[0-9]*"))
    texts = (line.read_bytes().decode(errors="replace") for line in command_lines if line.exists())
    return [text for text in texts if str(folder) in text]
