"""Password hashes: argon2id, by argon2-cffi, in threads of their own, so few that logins cannot starve everything else.

Parameters are OWASP's minimum (19 MiB, 2 passes, 1 lane): about 20 ms of one core, without the GIL.
"""

from __future__ import annotations

import asyncio
import unicodedata
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from atoll.contracts import Unavailable
from shop_auth.memory import give_back, share_arena

T = TypeVar("T")
MEMORY = 19_456  # KiB
PASSES = 2
LANES = 1
MAX_WAITING = 100  # at 20 ms each on two cores that is one second
QUIET = 2.0  # seconds without a hash, after which the memory of the last ones goes back


class Argon2Passwords:
    """threads: how many hashes are made at once. Anyone past `MAX_WAITING` is told to come back (503)."""

    def __init__(self, threads: int, *, memory: int = MEMORY, passes: int = PASSES) -> None:
        share_arena()
        self._hasher = PasswordHasher(time_cost=passes, memory_cost=memory, parallelism=LANES)
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="argon2")
        self._waiting = 0
        self._trim: asyncio.TimerHandle | None = None
        self._nobody = self._hasher.hash("nobody has this password")

    async def hash(self, password: str) -> str:
        """A new hash with its own salt, in PHC format."""
        return await self._run(lambda: self._hasher.hash(_prepared(password)))

    async def matches(self, password: str, stored: str | None) -> bool:
        """Whether that is the password. For None (no such account) it is False after the same work."""
        right = await self._run(lambda: self._verify(password, stored or self._nobody))
        return right and stored is not None

    def outdated(self, stored: str) -> bool:
        """Whether the hash was made with other parameters and should be made anew."""
        return self._hasher.check_needs_rehash(stored)

    async def close(self) -> None:
        """Ends the threads after their current hash."""
        if self._trim is not None:
            self._trim.cancel()
        await asyncio.get_running_loop().run_in_executor(None, lambda: self._pool.shutdown(cancel_futures=True))

    def _verify(self, password: str, stored: str) -> bool:
        try:
            return self._hasher.verify(stored, _prepared(password))
        except (VerificationError, InvalidHashError):
            return False

    async def _run(self, work: Callable[[], T]) -> T:
        if self._waiting >= MAX_WAITING:
            raise Unavailable("too many logins at once; try again in a second", headers={"retry-after": "1"})
        loop = asyncio.get_running_loop()
        self._waiting += 1
        try:
            return await loop.run_in_executor(self._pool, work)
        finally:
            self._waiting -= 1
            if self._trim is not None:
                self._trim.cancel()
            self._trim = loop.call_later(QUIET, self._pool.submit, give_back)


def _prepared(password: str) -> bytes:
    """One spelling for letters that keyboards compose differently (NIST SP 800-63B)."""
    return unicodedata.normalize("NFKC", password).encode("utf-8", "surrogatepass")
