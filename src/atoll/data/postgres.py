"""The only file that knows asyncpg: connections, and which of its errors mean what to a caller."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from typing import Any, TypeAlias, cast

import asyncpg

from atoll.contracts import Conflict, Unavailable
from atoll.data.statements import observed

Connection: TypeAlias = "asyncpg.Connection[Any]"
Row = asyncpg.Record
UniqueViolation = asyncpg.UniqueViolationError

CONNECT_TIMEOUT = 5.0  # seconds
LET_GO = 1.0  # seconds that PostgreSQL has to confirm the end of a statement that was cut off
ANSWER = 20.0  # seconds for one of the framework's own statements on a connection of its own; a lease waits 15 in one
LATE = 5.0  # seconds that an answer may be late
# A host that is gone says nothing, and Linux goes on sending for a quarter of an hour. (None but Linux has all of these.)
_KEEP_ALIVE = (("TCP_KEEPIDLE", 10), ("TCP_KEEPINTVL", 5), ("TCP_KEEPCNT", 3), ("TCP_USER_TIMEOUT", 25_000))
_SERVERS_KEEP_ALIVE = {
    "tcp_keepalives_idle": "10", "tcp_keepalives_interval": "5", "tcp_keepalives_count": "3", "tcp_user_timeout": "25000",
}  # fmt: skip
STATEMENT_CACHE = 256  # prepared statements a connection keeps; a service has fewer
# InternalClientError: a connection whose end has been announced, and not yet closed, is used.
_BROKEN = (asyncpg.InternalClientError, OSError, ssl.SSLError)
DRIVER_ERRORS: tuple[type[Exception], ...] = (asyncpg.PostgresError, asyncpg.InterfaceError, *_BROKEN)
_RETRYABLE = (asyncpg.SerializationError, asyncpg.DeadlockDetectedError)
_AWAY = (
    asyncpg.PostgresConnectionError,
    asyncpg.OperatorInterventionError,  # shutting down, crashed, starting up; a cancelled query is told apart below
    asyncpg.TooManyConnectionsError,
    asyncpg.InvalidCachedStatementError,  # a migration changed a table under this connection; the next try prepares anew
    *_BROKEN,
)


class DatabaseUnavailable(Unavailable):
    """The service's own database is away or overloaded; not the fault of the request or message."""


class _Connection(asyncpg.Connection):
    """Ends within half a minute when the host at its other end is gone."""

    def __init__(self, protocol: Any, transport: Any, *others: Any) -> None:
        super().__init__(protocol, transport, *others)
        found = transport.get_extra_info("socket")
        if found is not None and found.family in {socket.AF_INET, socket.AF_INET6}:
            found.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for name, value in _KEEP_ALIVE:
                if option := getattr(socket, name, None):
                    found.setsockopt(socket.IPPROTO_TCP, option, value)


class _PooledConnection(_Connection):
    """Skips the reset round trip at each release: a unit of work ends its transaction and keeps no session state."""

    def get_reset_query(self) -> str:
        return ""

    def execute(self, query: str, *args: Any, **options: Any) -> Any:
        """As asyncpg's, and a span; so are the next ones."""
        return observed(query, super().execute(query, *args, **options))

    def executemany(self, command: str, args: Any, **options: Any) -> Any:
        return observed(command, super().executemany(command, args, **options))

    def fetch(self, query: str, *args: Any, **options: Any) -> Any:
        return observed(query, super().fetch(query, *args, **options))

    def fetchrow(self, query: str, *args: Any, **options: Any) -> Any:
        return observed(query, super().fetchrow(query, *args, **options))

    def fetchval(self, query: str, *args: Any, **options: Any) -> Any:
        return observed(query, super().fetchval(query, *args, **options))


class Pool:
    """asyncpg's pool, opened without connecting, so that a database that is away keeps nobody from starting."""

    def __init__(self, url: str, *, name: str, max_size: int) -> None:
        self._url = url
        self._name = name
        self._max_size = max_size
        self._pool: asyncpg.Pool[Any] | None = None

    async def open(self) -> None:
        """Prepares the pool; connects to nothing."""
        self._pool = await asyncpg.create_pool(
            self._url,
            min_size=0,
            max_size=self._max_size,
            timeout=CONNECT_TIMEOUT,
            statement_cache_size=STATEMENT_CACHE,
            max_cached_statement_lifetime=0,
            connection_class=_PooledConnection,
            server_settings=_session(self._name),
        )

    def usage(self) -> tuple[int, int]:
        """How many connections are in use, and how many wait to be."""
        if self._pool is None:
            return 0, 0
        idle = self._pool.get_idle_size()
        return self._pool.get_size() - idle, idle

    @property
    def exhausted(self) -> bool:
        """Whether every connection that there may be is in use."""
        pool = self._opened()
        return pool.get_idle_size() == 0 and pool.get_size() >= self._max_size

    async def acquire(self) -> Connection:
        """A connection; waits for a free one, and connects if need be."""
        return cast(Connection, await self._opened().acquire())

    async def release(self, connection: Connection) -> None:
        """Gives the connection back; one that is still inside a transaction is thrown away.

        So is one whose statement was cut off, by a time limit, say, if PostgreSQL does not confirm that in `LET_GO`.
        """
        if not is_gone(connection) and connection.is_in_transaction():
            connection.terminate()
        try:
            await self._opened().release(cast(Any, connection), timeout=LET_GO)
        except TimeoutError:
            return  # its pool has thrown it away
        except (asyncpg.InternalClientError, asyncpg.InterfaceError):
            # Lost in the very moment of giving it back, so that its pool has taken it back already.
            if not is_gone(connection):
                raise

    async def close(self) -> None:
        """Waits until all connections are given back, and closes them."""
        if self._pool is not None:
            await self._pool.close()

    def terminate(self) -> None:
        """Cuts all connections off."""
        if self._pool is not None:
            self._pool.terminate()

    def _opened(self) -> asyncpg.Pool[Any]:
        if self._pool is None:
            raise DatabaseUnavailable("the database is not started; start() comes first")
        return self._pool


async def connect(url: str, name: str, answer: float | None = None) -> Connection:
    """A connection of its own, outside of any pool. answer: seconds for each statement; None for as long as they take."""
    return await asyncpg.connect(
        url,
        timeout=CONNECT_TIMEOUT,
        command_timeout=answer,
        connection_class=_Connection,
        server_settings=_session(name),
    )


async def listen(connection: Connection, channel: str, wake: Callable[[], None]) -> None:
    """Calls ``wake`` at each notification on the channel."""

    def notified(*_: object) -> None:
        wake()

    await connection.add_listener(channel, notified)


def on_lost(connection: Connection, lost: Callable[[], None]) -> None:
    """Calls ``lost`` when the connection ends, whoever ends it."""

    def terminated(_: object) -> None:
        lost()

    connection.add_termination_listener(terminated)


async def try_for(connection: Connection, seconds: float, statement: str, *arguments: Any) -> bool:
    """Runs a statement that waits for locks; False if it still waited after that time. TimeoutError if nobody answers."""
    await connection.execute(f"SET lock_timeout = {int(seconds * 1000)}", timeout=LATE)
    try:
        await connection.execute(statement, *arguments, timeout=seconds + LATE)
    except asyncpg.LockNotAvailableError:
        return False
    return True


def is_away(error: BaseException, connection: Connection | None = None) -> bool:
    """Whether the error says that the database is away, or that this connection is gone."""
    if isinstance(error, asyncpg.QueryCanceledError):
        return False
    if isinstance(error, _AWAY):
        return True
    return isinstance(error, asyncpg.InterfaceError) and (connection is None or is_gone(connection))


def is_gone(connection: Connection) -> bool:
    """Whether the connection has ended. One that ended was taken back by its pool, and answers nothing any more."""
    try:
        return connection.is_closed()
    except asyncpg.InterfaceError:
        return True


def end(connection: Connection) -> None:
    """Cuts the connection off, if it is there still."""
    if not is_gone(connection):
        connection.terminate()


def translated(error: Exception, connection: Connection | None = None) -> Exception:
    """The error in the words of `atoll.contracts` if it is one of those that anyone may meet; else the error itself."""
    if isinstance(error, _RETRYABLE):
        return Conflict("another change came in between; try again", headers={"retry-after": "0"})
    if is_away(error, connection):
        return DatabaseUnavailable(f"the database is away: {one_line(error)}", headers={"retry-after": "1"})
    return error


def one_line(error: BaseException) -> str:
    """The error's kind and the first line of its text."""
    text = str(error).strip().splitlines()
    return f"{type(error).__name__}: {text[0][:200]}" if text else type(error).__name__


def _session(name: str) -> dict[str, str]:
    # Short statements gain nothing from the JIT compiler, and lose tens of milliseconds when it fires.
    # PostgreSQL, too, notices that we are gone: a lease must not stay with a host that is no more.
    return {"application_name": name[:63], "jit": "off", **_SERVERS_KEEP_ALIVE}
