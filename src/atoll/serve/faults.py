"""`FaultWatch`: learns from the platform which faults somebody ordered for this service's calls.

    GET /v1/faults/{caller}?after=VERSION&wait=SECONDS
    -> {"version": 3, "faults": [{"target", "delay", "share", "error", "status", "left"}]}

``left`` is in seconds and counted here: a fault ends in time even if the platform is gone by then.
"""

from __future__ import annotations

import asyncio
import logging
import random
import time
from urllib.parse import quote

import msgspec

from atoll.resilience import Fault, Faults
from atoll.service.lifecycle import end
from atoll.transport.http import HttpClient

POLL = 30.0  # seconds that an answer may be held back
MARGIN = 5.0  # seconds on top of that before a poll counts as failed
PAUSE = 0.5, 2.0  # seconds between tries while the platform is away
OK = 200
_logger = logging.getLogger("atoll.serve")


class Ordered(msgspec.Struct, frozen=True):
    """One fault, as the platform tells it."""

    target: str
    delay: float
    error: float
    status: int
    left: float
    share: float = 1.0


class _Answer(msgspec.Struct, frozen=True):
    version: int
    faults: tuple[Ordered, ...]


_decode = msgspec.json.Decoder(_Answer).decode


class FaultWatch:
    """A `Component`. url: the registry's."""

    def __init__(self, url: str, *, token: str, caller: str, http: HttpClient, faults: Faults) -> None:
        self._url = f"{url.rstrip('/')}/v1/faults/{quote(caller, safe='')}"
        self._headers = {"authorization": f"Bearer {token}"}
        self._http = http
        self._faults = faults
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins to ask."""
        self._task = asyncio.create_task(self._watch(), name="faults")

    async def stop(self) -> None:
        """Ends asking; what was ordered ends with it."""
        task, self._task = self._task, None
        await end(task)
        self._faults.replace({})

    async def _watch(self) -> None:
        version = -1
        while True:
            try:
                answer = await self._poll(version)
            except Exception as failure:  # the platform is away, in whatever way: what is known ends by itself
                _logger.debug("faults are not known now: %s", failure)
                version = -1
                await asyncio.sleep(random.uniform(*PAUSE))
                continue
            if answer.version != version:
                version = answer.version
                self._apply(answer.faults)

    async def _poll(self, version: int) -> _Answer:
        url = self._url if version < 0 else f"{self._url}?after={version}&wait={POLL:g}"
        reply = await self._http.send("GET", url, self._headers, timeout=POLL + MARGIN)
        if reply.status != OK:
            raise ConnectionError(f"the platform answered {reply.status}")
        return _decode(reply.body)

    def _apply(self, ordered: tuple[Ordered, ...]) -> None:
        now = time.monotonic()
        for one in ordered:
            _logger.warning(
                "fault: %g %% of the calls to %s get %g s delay, and %g %% errors, for %.0f s",
                one.share * 100, one.target, one.delay, one.error * 100, one.left,
            )  # fmt: skip
        self._faults.replace(
            {one.target: Fault(one.delay, one.error, one.status, now + one.left, one.share) for one in ordered}
        )
