"""Brute force is slowed down: after some failures each further one costs twice the time of the one before.

Failures are counted by account, by machine and by address. Only a right password clears an account's, and nothing but
time an address's, so that an attacker's own account does not help. Wrong passwords and registrations are counted apart: who
guesses passwords behind an address keeps nobody there from making an account.
"""

from __future__ import annotations

import ipaddress
import math
import time
from asyncio import Lock
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from typing import Protocol
from weakref import WeakValueDictionary

from shop_contracts import TooManyAttempts

WINDOW = 900.0  # seconds of quiet after which failures are forgotten
LONGEST = 900.0  # seconds
FREE_BY_ACCOUNT = 5
FREE_BY_ADDRESS = 100  # many people may sit behind one address


@dataclass(frozen=True, slots=True)
class Key:
    """What is counted. free: failures that cost nothing. text: never an email itself."""

    text: str
    free: int


def account_key(name: str) -> Key:
    """Of an email or a client id."""
    return Key("account:" + sha256(name.encode("utf-8", "surrogatepass")).hexdigest(), FREE_BY_ACCOUNT)


def registering_key(forwarded_for: str) -> Key | None:
    """Of an address that asks which emails are registered."""
    key = address_key(forwarded_for)
    return None if key is None else Key(f"registering {key.text}", key.free)


def address_key(forwarded_for: str) -> Key | None:
    """Of the last address in ``x-forwarded-for``, which the gateway wrote. An IPv6 customer has a whole /64."""
    try:
        address = ipaddress.ip_address(forwarded_for.rpartition(",")[2].strip())
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        address = ipaddress.ip_network((address, 64), strict=False).network_address
    return Key(f"address:{address}", FREE_BY_ADDRESS)


@dataclass(frozen=True, slots=True)
class Failures:
    """How many there were without a long pause, and when the last one was (seconds since 1970)."""

    count: int
    last_at: float


def wait(failures: Failures, free: int, now: float) -> float:
    """Seconds until the next attempt is looked at; 0 for at once."""
    over = failures.count - free
    if over < 0 or now - failures.last_at >= WINDOW:
        return 0.0
    penalty = min(2.0 ** min(over, 32), LONGEST)
    return max(0.0, failures.last_at + penalty - now)


class Attempts(Protocol):
    """Counts failures for all instances of the service."""

    async def failures(self, keys: list[str]) -> dict[str, Failures]:
        """By key; keys without failures are missing."""

    async def add(self, keys: list[str], now: float, window: float) -> None:
        """One more failure for each; the count begins anew after ``window`` seconds of quiet."""

    async def clear(self, key: str) -> None:
        """Forgets the failures."""


class Guard:
    """clock: seconds since 1970."""

    def __init__(self, attempts: Attempts, clock: Callable[[], float] = time.time) -> None:
        self._attempts = attempts
        self._clock = clock
        self._locks: WeakValueDictionary[str, Lock] = WeakValueDictionary()

    @asynccontextmanager
    async def attempt(self, account: Key | None, address: Key | None) -> AsyncIterator[Attempt]:
        """One guess. Guesses at one account are looked at one after the other, so that many at once are not free.

        TooManyAttempts says when to come back; nothing was looked at then.
        """
        lock = self._locks.setdefault(account.text, Lock()) if account else nullcontext()
        async with lock:
            attempt = Attempt(self._attempts, self._clock, account, address)
            await attempt.refuse_early()
            yield attempt


class Attempt:
    """A guess that is looked at now: say how it ended."""

    def __init__(
        self, attempts: Attempts, clock: Callable[[], float], account: Key | None, address: Key | None
    ) -> None:
        self._attempts = attempts
        self._clock = clock
        self._account = account
        self._keys = {key.text: key for key in (account, address) if key is not None}
        self._had_failures = False

    async def refuse_early(self) -> None:
        """TooManyAttempts while a penalty runs."""
        found = await self._attempts.failures(list(self._keys)) if self._keys else {}
        now = self._clock()
        seconds = max((wait(one, self._keys[key].free, now) for key, one in found.items()), default=0.0)
        self._had_failures = self._account is not None and self._account.text in found
        if seconds > 0:
            whole = str(math.ceil(seconds))
            raise TooManyAttempts(f"too many failed attempts; try again in {whole} s", headers={"retry-after": whole})

    async def failed(self) -> None:
        """Wrong."""
        if self._keys:
            await self._attempts.add(list(self._keys), self._clock(), WINDOW)

    async def succeeded(self) -> None:
        """Right: the account's failures are forgotten."""
        if self._account is not None and self._had_failures:
            await self._attempts.clear(self._account.text)
