"""An issuer's published keys (JWKS), remembered: fetched when needed, kept while the issuer is away.

A key that is not known leads to one fetch, and made-up key ids cannot make it more than one in a few seconds.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from atoll.contracts import Unavailable
from atoll.security.joserfc import KeyMistake, PublicKey

Fetch = Callable[[str], Awaitable[bytes]]
"""URL -> body of its 200 reply; raises for anything else."""

REFETCH_WAIT = 5.0  # seconds between two fetches for unknown keys
RETRY_WAIT = 1.0  # seconds between two fetches while there are no keys at all
FRESH = 300.0  # seconds after which keys are fetched again in the background, so that withdrawn ones go
MAX_KEYS = 100
_log = logging.getLogger("atoll.security")


class _KeySet(msgspec.Struct):
    keys: list[dict[str, Any]]


_decode = msgspec.json.Decoder(_KeySet).decode


class RemoteKeys:
    """Keys by kid. fetch: how a URL is read. clock: monotonic seconds."""

    def __init__(self, url: str, fetch: Fetch, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._fetch = fetch
        self._clock = clock
        self._keys: dict[str, PublicKey] = {}
        self._tried_at = float("-inf")
        self._fetched_at = float("-inf")
        self._fetching: asyncio.Task[None] | None = None

    async def get(self, kid: str) -> PublicKey | None:
        """The key; None if the issuer has no such key. Unavailable while no keys could be fetched at all."""
        key = self._keys.get(kid)
        if key is not None:
            if self._clock() - self._fetched_at > FRESH:
                self._begin()  # nobody waits for it: the key at hand is good
            return key
        if (task := self._begin()) is not None:
            await asyncio.shield(task)  # a caller who goes away must not stop it for the others
        if not self._keys:
            raise Unavailable("tokens cannot be verified now: their issuer's keys are not to be had", headers=_SOON)
        return self._keys.get(kid)

    async def close(self) -> None:
        """Ends a fetch that is under way."""
        task, self._fetching = self._fetching, None
        if task is not None and not task.done():
            task.cancel()
            await asyncio.wait({task})

    def _begin(self) -> asyncio.Task[None] | None:
        """The fetch that is under way or was begun; None if it is too early for another one."""
        if self._fetching is not None and not self._fetching.done():
            return self._fetching
        wait = REFETCH_WAIT if self._keys else RETRY_WAIT
        now = self._clock()
        if now - self._tried_at < wait:
            return None
        self._tried_at = now
        self._fetching = asyncio.create_task(self._refresh())
        return self._fetching

    async def _refresh(self) -> None:
        try:
            keys = read_keys(await self._fetch(self._url))
        except Exception as error:  # whatever a transport raises: the keys at hand go on, and it is tried again
            _log.warning("the keys at %s cannot be fetched: %s: %s", self._url, type(error).__name__, error)
            return
        if not keys:
            _log.warning("there is no key for ES256 at %s; those from before are kept", self._url)
            return
        self._keys, self._fetched_at = keys, self._clock()


_SOON = {"retry-after": "1"}


def read_keys(body: bytes) -> dict[str, PublicKey]:
    """The usable keys of a JWKS by kid; those of other kinds are left out. ValueError if it is no JWKS."""
    keys: dict[str, PublicKey] = {}
    for jwk in _decode(body).keys[:MAX_KEYS]:
        try:
            key = PublicKey(jwk)
        except KeyMistake:
            continue  # an issuer may publish keys of other algorithms for others
        keys.setdefault(key.kid, key)
    return keys
