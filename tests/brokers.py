"""RabbitMQ and Kafka for tests: fetched and run by the repository's scripts, in a temporary folder, on free ports."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from atoll.testing.servers import Server, free_port

SCRIPTS = Path(__file__).parent.parent / "scripts"


class RabbitServer(Server):
    """RabbitMQ, one node."""

    ready_text = "Server startup complete"

    def argv(self) -> list[str]:
        """Its epmd gets another port at each start: the last one's may still be going."""
        data = str(self.folder / "rabbitmq")
        return [str(SCRIPTS / "rabbitmq"), "run", data, str(self.port), str(free_port()), str(free_port())]

    @property
    def url(self) -> str:
        """amqp://guest:guest@127.0.0.1:port/."""
        return f"amqp://guest:guest@127.0.0.1:{self.port}/"


class KafkaServer(Server):
    """Kafka, one KRaft node."""

    ready_text = "Kafka Server started"

    def __init__(self) -> None:
        super().__init__()
        self._controller = free_port()

    def argv(self) -> list[str]:
        """A heap of 256 MB."""
        return [str(SCRIPTS / "kafka"), "run", str(self.folder / "kafka"), str(self.port), str(self._controller)]

    @property
    def url(self) -> str:
        """kafka://127.0.0.1:port."""
        return f"kafka://127.0.0.1:{self.port}"


def install_or_skip(name: str) -> None:
    """Fetches the server once; a machine that cannot have it skips the test and says why."""
    done = subprocess.run([str(SCRIPTS / name), "install"], check=False, capture_output=True, text=True)
    if done.returncode:
        pytest.skip(done.stderr.strip() or f"scripts/{name} install failed")
