"""Sessions and refresh tokens in PostgreSQL. A token is stored as its SHA-256."""

from __future__ import annotations

from datetime import UTC, datetime
from uuid import UUID

from atoll.data import Database, Row, Work
from shop_auth.sessions import NotRenewed, Session, StoredToken
from shop_contracts import UserId

_FIND = (
    "SELECT s.session_id, s.user_id, s.scopes, s.expires_at, t.used_at,"
    " s.ended_at IS NULL AND s.expires_at > $2 AND t.expires_at > $2 AS good"
    " FROM refresh_tokens t JOIN sessions s USING (session_id) WHERE t.digest = $1"
)
_LOCK = f"{_FIND} FOR UPDATE"


class SessionTable:
    """Keeps sessions in ``sessions`` and their tokens in ``refresh_tokens``."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def begin(self, session: Session, token: StoredToken) -> None:
        """Stores both."""
        async with self._database.work() as work:
            await work.execute(
                "INSERT INTO sessions (session_id, user_id, scopes, expires_at) VALUES ($1, $2, $3, $4)",
                UUID(session.session_id),
                UUID(session.user_id),
                sorted(session.scopes),
                _time(session.expires_at),
            )
            await _add(work, UUID(session.session_id), token)

    async def find(self, digest: bytes, now: float) -> Session | NotRenewed:
        """What `renew` would give now; changes nothing."""
        async with self._database.work() as work:
            return _found(await work.fetchrow(_FIND, digest, _time(now)))

    async def renew(self, digest: bytes, successor: StoredToken, now: float) -> Session | NotRenewed:
        """Both rows are locked, so that of two who come with one token the second sees what the first did."""
        async with self._database.work() as work:
            row = await work.fetchrow(_LOCK, digest, _time(now))
            found = _found(row)
            if row is not None and found is NotRenewed.REUSED:
                await work.execute(
                    "UPDATE sessions SET ended_at = $2 WHERE session_id = $1", row["session_id"], _time(now)
                )
            if isinstance(found, Session):
                await work.execute("UPDATE refresh_tokens SET used_at = $2 WHERE digest = $1", digest, _time(now))
                await _add(work, UUID(found.session_id), successor)
        return found

    async def end(self, digest: bytes, user_id: UserId | None = None) -> None:
        """Ends the session that the token is of, if it is that user's (None: whoever's)."""
        async with self._database.work() as work:
            await work.execute(
                "UPDATE sessions SET ended_at = now() WHERE ended_at IS NULL AND ($2::text IS NULL OR user_id::text = $2)"
                " AND session_id = (SELECT session_id FROM refresh_tokens WHERE digest = $1)",
                digest,
                user_id,
            )

    async def end_all(self, user_id: UserId) -> None:
        """Ends all sessions of the user; a machine has none."""
        async with self._database.work() as work:
            await work.execute(
                "UPDATE sessions SET ended_at = now() WHERE ended_at IS NULL AND user_id = (SELECT a.user_id"
                " FROM accounts a WHERE a.user_id::text = $1)",
                user_id,
            )

    async def forget(self, now: float) -> None:
        """Deletes sessions that are over for a day, with their tokens."""
        async with self._database.work() as work:
            await work.execute(
                "DELETE FROM sessions WHERE least(expires_at, ended_at) < $1::timestamptz - interval '1 day'",
                _time(now),
            )


def _found(row: Row | None) -> Session | NotRenewed:
    if row is None or not row["good"]:
        return NotRenewed.UNKNOWN
    if row["used_at"] is not None:
        return NotRenewed.REUSED
    return Session(
        str(row["session_id"]), UserId(str(row["user_id"])), frozenset(row["scopes"]), row["expires_at"].timestamp()
    )


async def _add(work: Work, session_id: UUID, token: StoredToken) -> None:
    await work.execute(
        "INSERT INTO refresh_tokens (digest, session_id, expires_at) VALUES ($1, $2, $3)",
        token.digest,
        session_id,
        _time(token.expires_at),
    )


def _time(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)
