"""What does not let itself be stopped does not keep the process: a start that waits, and a handler that ignores its end."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from tests.faults.lifecycle.served import Served, import_path
from tests.system.calls import call
from tests.system.waiting import until

from atoll.testing.servers import free_port

WITHIN = 30.0  # seconds; a guard


@contextmanager
def stubborn(folder: Path, **variables: str) -> Iterator[Served]:
    timing = {"ATOLL_DRAIN_WAIT": "0", "ATOLL_GRACE": "0.5", "PYTHONPATH": import_path()}
    target = "tests.faults.lifecycle.stubborn_service:service"
    served = Served(target, free_port(), {**timing, **variables}, folder / "log")
    try:
        yield served
    finally:
        served.end()


def test_a_start_that_waits_for_something_ends_on_sigterm(tmp_path: Path) -> None:
    with stubborn(tmp_path, STUBBORN_START="yes") as served:
        until(lambda: "waits for what never comes" in served.said(), within=WITHIN, what="it starts")
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(WITHIN) == 0
        assert "told to stop before the start was done" in served.said()


def test_a_handler_that_ignores_its_cancellation_ends_with_the_process(tmp_path: Path) -> None:
    with stubborn(tmp_path) as served, ThreadPoolExecutor(1) as pool:
        served.wait_until_ready()
        asking = pool.submit(call, served.url, "GET", "/wait", timeout=WITHIN * 2)
        until(lambda: "begun" in served.said(), within=WITHIN, what="the handler runs")
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(WITHIN) == 1
        assert "cut off 1 requests: GET /wait" in served.said()
        assert "were cancelled and do not end; the process does" in served.said()
        assert asking.exception(WITHIN) is not None
