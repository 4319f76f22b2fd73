"""Until models are loaded, verified and warm, nobody is let in to find them cold."""

import os
import socket
import sys
import threading
from pathlib import Path

import pytest

from bench.replica import free_port
from tests.api.bodies import body
from tests.serving import service_process

HELD = (sys.executable, str(Path(__file__).with_name("held_start_service.py")), "serve")


def test_nobody_is_let_in_before_the_models_are_warm(
    model_store: Path, redis_url: str, tmp_path: Path
) -> None:
    pipe, port = tmp_path / "pipe", free_port()
    os.mkfifo(pipe)
    settings = {
        "CTR_MODEL_STORE": str(model_store),
        "CTR_REDIS_URL": redis_url,
        "CTR_PORT": str(port),
        "HELD_BY_PIPE": str(pipe),
        "PYTHONPATH": ".",
    }
    refused: list[bool] = []
    look = threading.Thread(target=look_while_it_loads, args=(pipe, port, refused), daemon=True)
    look.start()

    with service_process(settings, HELD) as running:
        look.join()
        first = running.service.client.get("/health/ready")
        answer = running.service.ranking(body())

    assert refused == [True]
    assert first.status_code == 200  # and not 503 for a while
    assert answer["degraded"] is None


def look_while_it_loads(pipe: Path, port: int, refused: list[bool]) -> None:
    with pipe.open("w"):  # opens once the service has come as far as its models
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        refused.append(True)
