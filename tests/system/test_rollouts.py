"""Rollouts of a running system under requests: a good release, one whose requests fail, and a supervisor that is killed."""

from __future__ import annotations

import json
import os
import re
import signal
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.waiting import until

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(400)]

SYSTEM = """
from atoll.contracts import RateLimit
from atoll.system import Canary, Gateway, Route, Service, System

system = System(
    "small",
    services=(
        Service(
            "web", command=("python3", "web.py"), source="web", health="/health",
            rollout=Canary(steps=(50, 100), interval=2.0, samples=10),
        ),
    ),
    gateway=Gateway(routes=(Route("/web", to="web", public=True),), rate_limit=RateLimit(100_000, 1.0)),
)
"""
WEB = """
import os, random
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

RELEASE, FAILING = "first", 0.0


class Web(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        failed = self.path != "/health" and random.random() < FAILING
        self.send_response(500 if failed else 200)
        self.send_header("content-length", str(len(RELEASE)))
        self.end_headers()
        self.wfile.write(RELEASE.encode())

    def log_message(self, *_):
        pass


ThreadingHTTPServer((os.environ["ATOLL_HOST"], int(os.environ["ATOLL_PORT"])), Web).serve_forever()
"""


@pytest.fixture
def small(tmp_path: Path) -> Iterator[LocalSystem]:
    (tmp_path / "web").mkdir()
    (tmp_path / "system.py").write_text(SYSTEM, "utf-8")
    (tmp_path / "web" / "web.py").write_text(WEB, "utf-8")
    system = LocalSystem(tmp_path)
    try:
        yield system.up()
    finally:
        system.atoll("down")


def become(small: LocalSystem, release: str, failing: float = 0.0) -> None:
    """Change the code."""
    file = small.folder / "web" / "web.py"
    line = f'RELEASE, FAILING = "{release}", {failing}'
    file.write_text(re.sub(r"^RELEASE, FAILING = .*$", line, file.read_text("utf-8"), flags=re.MULTILINE), "utf-8")


@contextmanager
def asked(small: LocalSystem) -> Iterator[Counter[int]]:
    """How often each status was answered to who asked all the time; 0: not at all."""
    answers: Counter[int] = Counter()
    stop = threading.Event()

    def ask() -> None:
        while not stop.wait(0.02):
            try:
                answers[call(small.gateway, "GET", "/web/").status] += 1
            except (OSError, HTTPException):
                answers[0] += 1

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        yield answers
    finally:
        stop.set()
        for thread in threads:
            thread.join()


def served(small: LocalSystem) -> set[str]:
    """What those answer that have the traffic."""
    return {call(small.gateway, "GET", "/web/").body.decode() for _ in range(20)}


def test_a_good_release_is_promoted_and_a_bad_one_is_taken_back(small: LocalSystem) -> None:
    become(small, "second")
    with asked(small) as answers:
        found = json.loads(small.must("deploy", "web", "--json", limit=120))
    assert (found["phase"] in {"promoted", "retiring"}, set(answers)) == (True, {200}), (found["reason"], answers)
    assert served(small) == {"second"}

    become(small, "third", failing=0.3)
    with asked(small) as answers:
        done = small.atoll("deploy", "web", limit=120)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "errors: " in done.stdout.splitlines()[-1]
    assert served(small) == {"second"}
    assert set(answers) <= {200, 500}
    assert answers[500] < 0.3 * answers.total()

    small.down()
    small.up()
    assert served(small) == {"second"}, "the stable release outlives a new start"


def test_a_rollout_whose_supervisor_is_killed_goes_on(small: LocalSystem) -> None:
    become(small, "second")
    with asked(small):
        small.must("deploy", "web", "--detach", "--interval", "3s", limit=120)
        assert small.atoll("deploy", "web").returncode == 2, "a second one is refused"
        until(lambda: rollout(small)["share"] == 50, within=60, what="half of the traffic", pause=0.1)
        os.kill(small.pid("supervisor"), signal.SIGKILL)
        small.up()
    with asked(small):
        over = until(
            lambda: rollout(small)["phase"] in {"promoted", "rolled back"}, within=90, what="an end", pause=0.2
        )
    assert over
    assert rollout(small)["phase"] == "promoted", rollout(small)["reason"]
    assert served(small) == {"second"}
    assert small.look()["services"]["web"]["shares"] == {rollout(small)["release"]: 100}


def rollout(small: LocalSystem) -> dict[str, object]:
    found: dict[str, object] = json.loads(small.must("rollouts", "web", "--json"))["rollouts"][0]
    return found
