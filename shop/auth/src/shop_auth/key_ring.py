"""The signing keys of this service: read from the database, made in time, the same for all instances.

Nothing runs in the background: whoever asks for a key or for the published keys looks whether a successor is due. Two
instances that make one at the same time collide on its generation, and both go on with the one that was stored.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Protocol

from atoll.contracts import Unavailable
from atoll.security import PrivateKey, RotationPolicy, SigningKey, SigningKeys

_log = logging.getLogger("shop_auth")
LONGEST_REST = 60.0  # seconds until the database is asked again


class KeyStore(Protocol):
    """Keeps the keys for all instances."""

    async def load(self) -> list[SigningKey]:
        """All of them."""

    async def add(self, key: SigningKey) -> None:
        """Stores the key, unless there is one of its generation."""

    async def remove(self, generation: int) -> None:
        """Forgets the key."""


class KeyRing:
    """clock: seconds since 1970. What is known is trusted for a quarter of the time that a new key is published ahead."""

    def __init__(self, store: KeyStore, policy: RotationPolicy, clock: Callable[[], float] = time.time) -> None:
        self._store = store
        self._policy = policy
        self._clock = clock
        self._rest = min(LONGEST_REST, policy.ahead / 4)
        self._keys = SigningKeys([], policy)
        self._loaded_at = float("-inf")
        self._loading = asyncio.Lock()

    async def current(self) -> SigningKey:
        """The key that signs now. Unavailable if the database is away for so long that another one may have taken over."""
        await self._refresh(self._policy.ahead)
        key = self._keys.current(self._clock())
        if key is None:
            raise Unavailable("there is no signing key yet; try again", headers={"retry-after": "1"})
        return key

    async def published(self) -> tuple[SigningKey, ...]:
        """The keys that verifiers need; those known so far while the database is away."""
        await self._refresh(float("inf"))
        return self._keys.published(self._clock())

    async def _refresh(self, patience: float) -> None:
        """patience: seconds that what is known may be old when the database does not answer."""
        if self._age() < self._rest:
            return
        async with self._loading:
            if self._age() < self._rest:
                return
            try:
                await self._load()
            except Unavailable:
                if self._age() >= patience or not self._keys.published(self._clock()):
                    raise
                _log.warning("the database is away; going on with the signing keys that are known")

    async def _load(self) -> None:
        now = self._clock()
        keys = SigningKeys(await self._store.load(), self._policy)
        if (successor := keys.wanted(now)) is not None:
            await self._store.add(SigningKey(successor.generation, successor.signs_from, PrivateKey.generate()))
            keys = SigningKeys(await self._store.load(), self._policy)
            _log.info("signing key %d is there; it signs in %.0f s", successor.generation, successor.signs_from - now)
        for key in keys.gone(now):
            await self._store.remove(key.generation)
        self._keys, self._loaded_at = keys, now

    def _age(self) -> float:
        return self._clock() - self._loaded_at
