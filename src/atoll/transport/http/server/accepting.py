"""Accepting connections, all that wait at each turn of the event loop.

libuv, and so uvloop's own server, accepts one connection a turn. While a process is busy its turns are long, and new clients
would wait for seconds before anything could even refuse them, beside old ones who are served.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable

AT_ONCE = 256  # connections a turn; a flood must leave the loop time for what it has let in
PAUSE = 1.0  # seconds without accepting when the process has no file descriptors left (asyncio's own pause)
_logger = logging.getLogger("atoll.http")


class Acceptor:
    """Gives each new connection of a bound socket to a protocol of its own, from `start` to `close`."""

    def __init__(self, listener: socket.socket, protocol: Callable[[], asyncio.Protocol]) -> None:
        self._listener = listener
        self._protocol = protocol
        self._tasks: set[asyncio.Task[None]] = set()
        self._pause: asyncio.TimerHandle | None = None

    def start(self, backlog: int) -> None:
        """Listens. backlog: connections that the kernel holds until they are accepted."""
        self._listener.listen(backlog)
        self._listen()

    def close(self) -> None:
        """Accepts no more; connections that were accepted stay."""
        if self._pause is not None:
            self._pause.cancel()
        asyncio.get_running_loop().remove_reader(self._listener)
        self._listener.close()

    def _listen(self) -> None:
        asyncio.get_running_loop().add_reader(self._listener, self._accept)

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                connection, _ = self._listener.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._rest(error)
                return
            connection.setblocking(False)
            task = asyncio.get_running_loop().create_task(self._connect(connection))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def _connect(self, connection: socket.socket) -> None:
        try:
            await asyncio.get_running_loop().connect_accepted_socket(self._protocol, connection)
        except OSError as error:
            _logger.debug("a connection was gone before it was there: %s", error)
            connection.close()

    def _rest(self, error: OSError) -> None:
        _logger.warning("no connection can be accepted for %g s: %s", PAUSE, error.strerror)
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._listener)
        self._pause = loop.call_later(PAUSE, self._listen)
