"""Sessions: a login that refresh tokens keep alive. Each token is good once; a second use ends the whole session.

That is how a stolen token is noticed (RFC 9700, section 4.14.2): thief and owner both hold it, and one comes second.
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from hashlib import sha256
from typing import Protocol

from atoll.contracts import uuid7
from shop_contracts import InvalidGrant, UserId

_log = logging.getLogger("shop_auth")
PREFIX = "shop_rt_"  # so that scanners find a leaked one


@dataclass(frozen=True, slots=True)
class Session:
    """One login. scopes: what was asked for then. Times are seconds since 1970; it ends at ``expires_at`` at the latest."""

    session_id: str
    user_id: UserId
    scopes: frozenset[str]
    expires_at: float


@dataclass(frozen=True, slots=True)
class StoredToken:
    """A refresh token as it is kept: its SHA-256."""

    digest: bytes
    expires_at: float


class NotRenewed(Enum):
    """Why a refresh token gave no new one."""

    UNKNOWN = "unknown"  # or expired, or of a session that has ended
    REUSED = "reused"  # it was used before: its session has been ended


class Sessions(Protocol):
    """Keeps sessions and their tokens."""

    async def begin(self, session: Session, token: StoredToken) -> None:
        """Stores both."""

    async def find(self, digest: bytes, now: float) -> Session | NotRenewed:
        """What `renew` would give now; changes nothing."""

    async def renew(self, digest: bytes, successor: StoredToken, now: float) -> Session | NotRenewed:
        """Uses a token up and stores its successor, or ends the session of a token that was used up before. At once or
        not at all: of two who come with one token at the same time only one gets a session."""

    async def end(self, digest: bytes, user_id: UserId | None = None) -> None:
        """Ends the session that the token is of, if it is that user's (None: whoever's)."""

    async def end_all(self, user_id: UserId) -> None:
        """Ends all sessions of the user."""


class RefreshTokens:
    """lifetime, idle: seconds that a session lives at the most, and that a token lives unused. clock: seconds since 1970."""

    def __init__(
        self, sessions: Sessions, lifetime: float, idle: float, clock: Callable[[], float] = time.time
    ) -> None:
        self._sessions = sessions
        self._lifetime = lifetime
        self._idle = idle
        self._clock = clock

    async def begin(self, user_id: UserId, scopes: frozenset[str]) -> str:
        """A new session's first token."""
        now = self._clock()
        text, token = self._new(now)
        await self._sessions.begin(Session(str(uuid7()), user_id, scopes, now + self._lifetime), token)
        return text

    async def find(self, text: str) -> Session:
        """The session of a token, which stays good. InvalidGrant as in `renew`; a second use ends the session here too."""
        found = await self._sessions.find(digest(text), self._clock())
        if found is NotRenewed.REUSED:
            await self._sessions.end(digest(text))
        return _good(found)

    async def renew(self, text: str) -> str:
        """The session's next token; InvalidGrant if the token is not good (any more)."""
        now = self._clock()
        successor_text, successor = self._new(now)
        _good(await self._sessions.renew(digest(text), successor, now))
        return successor_text

    async def end(self, text: str, user_id: UserId | None = None) -> None:
        """Ends the token's session, if it is that user's; a token that nobody knows is no error."""
        await self._sessions.end(digest(text), user_id)

    async def end_all(self, user_id: UserId) -> None:
        """Ends all sessions of the user."""
        await self._sessions.end_all(user_id)

    def _new(self, now: float) -> tuple[str, StoredToken]:
        text = PREFIX + secrets.token_urlsafe(32)
        return text, StoredToken(digest(text), now + self._idle)


def _good(found: Session | NotRenewed) -> Session:
    if found is NotRenewed.REUSED:
        _log.warning("a refresh token was used twice; its session has been ended")
    if isinstance(found, NotRenewed):
        raise InvalidGrant("the refresh token is not valid (any more); log in again")
    return found


def digest(text: str) -> bytes:
    """How a refresh token is stored: it is random, so that a plain SHA-256 cannot be turned back."""
    return sha256(text.encode("utf-8", "surrogatepass")).digest()
