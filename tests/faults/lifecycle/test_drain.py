"""SIGTERM, step by step: not ready, deregistered, a wait, what is in flight, the current message, and the pools last."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest
from tests.faults.lifecycle.served import Served, import_path, registry
from tests.system.calls import Answer, call
from tests.system.waiting import until

from atoll.testing import NatsServer
from atoll.testing.servers import free_port

WITHIN = 30.0  # seconds; a guard
DRAIN_WAIT = 3.0  # seconds between "not ready" and the end of listening: time to look
GRACE = 60.0


class Drained:
    """A service with one request and one message in its hands, both of which wait for `let`. steps: what was seen, in order."""

    def __init__(self, served: Served, folder: Path, asking: Future[Answer]) -> None:
        self.served = served
        self.asking = asking
        self.steps: list[str] = []
        self._folder = folder

    def let(self, word: str) -> None:
        (self._folder / f"{word}.go").touch()

    def stop(self) -> None:
        self.served.process.send_signal(signal.SIGTERM)

    def stopped(self) -> list[str]:
        """The parts in the order in which they had stopped."""
        return re.findall(r"stopped: (.+)", self.served.said())


@pytest.fixture
def drained(tmp_path: Path, database_url: str, nats: NatsServer, request: pytest.FixtureRequest) -> Iterator[Drained]:
    left = threading.Event()
    steps: list[str] = []

    def leave(path: str) -> None:
        answer = served.page("ready")
        steps.append(f"left {path} with {answer.status if answer else 'nobody'} from ready")
        left.set()

    with registry(leave) as url, ThreadPoolExecutor(1) as pool:
        variables = {
            "ATOLL_DATABASE_URL": database_url, "ATOLL_BROKER_URL": nats.url, "ATOLL_REGISTRY_URL": url,
            "ATOLL_REGISTRY_TOKEN": "any", "ATOLL_SYSTEM": f"drain{free_port()}", "ATOLL_INSTANCE": "slow-1",
            "ATOLL_DRAIN_WAIT": str(DRAIN_WAIT), "ATOLL_GRACE": str(getattr(request, "param", GRACE)),
            "ATOLL_LOG_LEVEL": "debug", "SLOW_FOLDER": str(tmp_path), "PYTHONPATH": import_path(),
        }  # fmt: skip
        served = Served("tests.faults.lifecycle.slow_service:service", free_port(), variables, tmp_path / "log")
        try:
            served.wait_until_ready()
            asking = pool.submit(call, served.url, "GET", "/wait/asked", timeout=WITHIN * 3)
            call(served.url, "POST", "/tell", {"word": "heard"}).must(200)
            for word in ("asked", "heard"):
                begun = tmp_path / f"{word}.begun"
                until(begun.exists, within=WITHIN, what=f"{word} is in the service's hands")
            found = Drained(served, tmp_path, asking)
            found.steps = steps
            yield found
        finally:
            served.end()
            asking.cancel()


def test_each_step_comes_after_the_one_before(drained: Drained) -> None:
    served = drained.served
    drained.stop()
    until(lambda: drained.steps, within=WITHIN, what="it leaves the registry")
    assert drained.steps == ["left /v1/services/slow/instances/slow-1 with 503 from ready"]
    page = served.page("ready")
    assert page is not None, "it still listens: balancers may not know yet"
    assert page.json["checks"]["lifecycle"] == {"status": "down", "detail": "draining"}
    assert page.headers["connection"] == "close"
    until(lambda: served.page("live") is None, within=WITHIN, what="it listens no more")
    assert not drained.asking.done()
    assert drained.stopped() == []
    drained.let("asked")
    assert drained.asking.result(WITHIN).must(200).json == {"word": "asked"}
    until(lambda: "http" in drained.stopped(), within=WITHIN, what="nothing is in flight")
    assert "consumer" not in drained.stopped(), "its current message is not handled yet"
    drained.let("heard")
    assert served.process.wait(WITHIN) == 0
    order = drained.stopped()
    print(f"stopped in this order: {', '.join(order)}")
    assert [one for one in order if one in PARTS] == list(PARTS)
    assert "cut off" not in served.said()


PARTS = ("http", "consumer", "relay", "broker", "database", "http client")


def test_a_second_signal_cuts_off_what_is_in_flight_and_says_what(drained: Drained) -> None:
    drained.stop()
    until(lambda: drained.steps, within=WITHIN, what="it leaves the registry")
    drained.stop()
    assert drained.served.process.wait(WITHIN) == 0
    assert drained.asking.exception(WITHIN) is not None or drained.asking.result().status >= 500
    assert "told to stop a second time" in drained.served.said()
    assert "cut off 1 requests: GET /wait/asked" in drained.served.said()
    assert "Traceback" not in drained.served.said()


@pytest.mark.parametrize("drained", [1.0], indirect=True)
def test_the_end_of_the_grace_time_cuts_off_what_is_in_flight_and_says_what(drained: Drained) -> None:
    drained.stop()
    assert drained.served.process.wait(WITHIN) == 0
    assert drained.asking.exception(WITHIN) is not None or drained.asking.result().status >= 500
    assert "cut off 1 requests: GET /wait/asked" in drained.served.said()
    assert "cut off: the consumer did not end within the grace time" in drained.served.said()
    assert "Traceback" not in drained.served.said()
