"""`BuiltinRegistry`: the client of the registry that `atoll up` serves over HTTP.

    GET /v1/services/{name}?after=VERSION&wait=SECONDS -> {"version": 3, "endpoints": [{"url", "instance", "release", "weight"}]}
    PUT /v1/services/{name}/instances/{instance} {"url", "release", "weight"}, and DELETE of the same path

The GET answers as soon as there is a version after ``after``, or else after ``wait`` seconds with the current one.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncGenerator, Mapping
from typing import Protocol
from urllib.parse import quote

import msgspec

from atoll.discovery.registry import Endpoint
from atoll.service.lifecycle import end

POLL = 30.0  # seconds that the registry may hold an answer back; it allows 60
MARGIN = 5.0  # seconds on top of that before a poll counts as failed
REPEAT = 15.0  # seconds between two registrations of the same endpoint; the registry notices no change
ANSWER = 5.0  # seconds for every other call
PAUSE = 0.1, 2.0  # seconds between tries while the registry is away: the first, the longest
OK = 200
_logger = logging.getLogger("atoll.discovery")


class Answer(Protocol):
    """What an HTTP client answers."""

    @property
    def status(self) -> int:
        """The status code."""

    @property
    def body(self) -> bytes:
        """The whole body."""


class Http(Protocol):
    """The part of an HTTP client that the registry needs; transport's `HttpClient` is one."""

    async def send(
        self, method: str, url: str, headers: Mapping[str, str], body: bytes = b"", timeout: float = ANSWER
    ) -> Answer:
        """The whole answer, whatever its status; an exception if there is none within ``timeout`` seconds."""


class Known(msgspec.Struct, frozen=True):
    """What the registry answers."""

    version: int
    endpoints: tuple[Endpoint, ...]


class Refused(Exception):
    """The registry answered, but not with what was asked for."""


_decode = msgspec.json.Decoder(Known).decode


class BuiltinRegistry:
    """Long polls the registry at ``url``, and keeps what it last knew while the registry is away."""

    def __init__(self, url: str, *, token: str, http: Http) -> None:
        self._url = f"{url.rstrip('/')}/v1/services"
        self._headers = {"authorization": f"Bearer {token}", "content-type": "application/json"}
        self._http = http
        self._registering: dict[tuple[str, str], asyncio.Task[None]] = {}

    async def watch(self, service: str) -> AsyncGenerator[tuple[Endpoint, ...], None]:
        """The endpoints now, then again after each change."""
        url = f"{self._url}/{quote(service, safe='')}"
        pause = _Pause(service)
        version: int | None = None
        known: tuple[Endpoint, ...] | None = None
        while True:
            try:
                found = await self._poll(url, version)
            except Exception as failure:  # the registry is away, in whatever way: what is known stays
                await pause.after(failure)
                version = None  # a registry that was started anew counts from the start
                continue
            pause.over()
            version = found.version
            if found.endpoints != known:
                known = found.endpoints
                yield known

    async def register(self, service: str, endpoint: Endpoint) -> None:
        """Adds the endpoint, and says so again every `REPEAT` seconds: a registry that was started anew knows nothing."""
        await self._forget(service, endpoint.instance)
        first = True
        try:
            await self._put(service, endpoint)
        except Exception as failure:
            first = False
            _logger.warning("the registry is away (%s); registering goes on", _line(failure))
        task = asyncio.create_task(self._keep_putting(service, endpoint, REPEAT if first else 0.0))
        self._registering[service, endpoint.instance] = task

    async def deregister(self, service: str, instance: str) -> None:
        """Takes the instance out; a registry that is away is no error: it will find out by itself."""
        await self._forget(service, instance)
        try:
            await self._http.send("DELETE", self._instance(service, instance), self._headers, timeout=ANSWER)
        except Exception as failure:
            _logger.warning("could not deregister %s of %s: %s", instance, service, _line(failure))

    async def close(self) -> None:
        """Ends what runs in the background."""
        for service, instance in list(self._registering):
            await self._forget(service, instance)

    async def _poll(self, url: str, version: int | None) -> Known:
        if version is None:
            answer = await self._http.send("GET", url, self._headers, timeout=ANSWER)
        else:
            held = f"{url}?after={version}&wait={POLL:g}"
            answer = await self._http.send("GET", held, self._headers, timeout=POLL + MARGIN)
        if answer.status != OK:
            raise Refused(f"the registry answered {answer.status}")
        return _decode(answer.body)

    async def _put(self, service: str, endpoint: Endpoint) -> None:
        body = msgspec.json.encode({"url": endpoint.url, "release": endpoint.release, "weight": endpoint.weight})
        answer = await self._http.send(
            "PUT", self._instance(service, endpoint.instance), self._headers, body, timeout=ANSWER
        )
        if answer.status >= 300:
            raise Refused(f"the registry answered {answer.status}")

    async def _keep_putting(self, service: str, endpoint: Endpoint, wait: float) -> None:
        pause = _Pause(service)
        while True:
            await asyncio.sleep(wait)
            try:
                await self._put(service, endpoint)
            except Exception as failure:
                await pause.after(failure)
                wait = 0.0
                continue
            pause.over()
            wait = REPEAT

    async def _forget(self, service: str, instance: str) -> None:
        await end(self._registering.pop((service, instance), None))

    def _instance(self, service: str, instance: str) -> str:
        return f"{self._url}/{quote(service, safe='')}/instances/{quote(instance, safe='')}"


class _Pause:
    """Growing pauses while the registry is away, and one log line when that begins and when it ends."""

    def __init__(self, service: str) -> None:
        self._service = service
        self._failures = 0

    async def after(self, failure: Exception) -> None:
        if self._failures == 0:
            _logger.warning("the registry is away, %s keeps its known endpoints: %s", self._service, _line(failure))
        first, longest = PAUSE
        most = min(longest, first * 2**self._failures)
        self._failures = min(self._failures + 1, 16)
        await asyncio.sleep(random.uniform(most / 2, most))

    def over(self) -> None:
        if self._failures:
            _logger.info("the registry is back for %s", self._service)
            self._failures = 0


def _line(failure: Exception) -> str:
    return f"{type(failure).__name__}: {failure}".splitlines()[0][:200]
