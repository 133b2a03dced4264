"""What the dashboard fetches by itself: new lines of all logs, and each service's page of metrics."""

from __future__ import annotations

import asyncio
import http.client
import logging
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from starlette.concurrency import run_in_threadpool

from atoll.cli.dashboard.reach import Reach
from atoll.cli.dashboard.trying import exchange
from atoll.cli.dashboard.turn import Turn
from atoll.cli.names import shown
from atoll.platform.dashboard import Batch, Intake, Log
from atoll.platform.dashboard.lines import record_of
from atoll.platform.dashboard.prometheus import ACCEPT, MOST_BYTES, Unreadable, samples_of_page
from atoll.platform.local.logs import MARK, Follower
from atoll.platform.local.logtimes import timed
from atoll.system.trouble import Trouble

log = logging.getLogger("atoll.dashboard")

LINES_EVERY = 0.25  # seconds
METRICS_EVERY = 5.0
TURN_EVERY = 1.0
_ACCESS = "access"


class Feeder:
    """Reads and asks as long as it runs; a service that does not answer is asked again the next time.

    Of several dashboards on one store only the one that has the turn does so: a line is to be there once.
    """

    def __init__(self, reach: Reach, intake: Intake, turn: Turn) -> None:
        self._reach = reach
        self._intake = intake
        self._turn = turn
        self._follower = Follower()
        self._said: set[str] = set()

    async def run(self) -> None:
        """Until it is cancelled."""
        await self._wait_for_the_turn()
        for path in self._paths():
            self._follower.begin(path)
        await asyncio.gather(self._always(self._lines, LINES_EVERY), self._always(self._metrics, METRICS_EVERY))

    async def _wait_for_the_turn(self) -> None:
        while True:
            if self._turn.taken():
                return
            await asyncio.sleep(TURN_EVERY)

    async def _always(self, step: Any, pause: float) -> None:
        while True:
            try:
                await step()
            except (Trouble, OSError) as error:  # the system is being stopped, or a log was taken away
                self._say(str(error))
            await asyncio.sleep(pause)

    async def _lines(self) -> None:
        records = await run_in_threadpool(self._read_lines)
        if records:
            self._intake.offer(Batch(logs=tuple(records)))

    def _read_lines(self) -> list[Log]:
        texts: dict[Path, list[str]] = {}
        for path, text in self._follower.new_lines(self._paths()):
            if text and not text.startswith(MARK):
                texts.setdefault(path, []).append(text)
        now = datetime.now(UTC)
        return [
            record_of(*_owner(path.stem), line.when, line.text)
            for path, some in texts.items()
            for line in timed(path.stem, some, now)
        ]

    async def _metrics(self) -> None:
        status = await self._reach.call("GET", "/v1/status")
        targets = [
            (name, instance["instance"], instance["url"])
            for name, service in status["services"].items()
            for instance in service["instances"]
            if instance["state"] == "ready"
        ]
        await asyncio.gather(*(run_in_threadpool(self._ask, *target) for target in targets))

    def _ask(self, service: str, instance: str, url: str) -> None:
        try:
            status, headers, body, cut = exchange(
                url, "GET", "/metrics", {"accept": ACCEPT}, b"", within=3.0, most=MOST_BYTES
            )
            if cut:
                self._say(
                    f"{instance}: its metrics are more than {MOST_BYTES} bytes and not read; look for ids in labels"
                )
            elif status == 200:
                kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
                samples = samples_of_page(service, instance, time.time_ns(), body.decode(errors="replace"), kind)
                self._intake.offer(Batch(samples=samples))
        except (OSError, http.client.HTTPException, Unreadable) as error:
            self._say(f"{instance}: {error}")

    def _paths(self) -> list[Path]:
        return sorted(self._reach.client.folder.logs.glob("*.log"))

    def _say(self, text: str) -> None:
        if text not in self._said and len(self._said) < 100:
            self._said.add(text)
            log.warning("%s", text)


def _owner(stem: str) -> tuple[str, str]:
    """(service, instance) of a log: orders-1.log is of orders; envoy.log and access.log are the gateway's."""
    if stem == _ACCESS:
        return "gateway", _ACCESS
    service, _, number = stem.rpartition("-")
    return (service, stem) if service and (number.isdigit() or number == "migrate") else (shown(stem), shown(stem))
