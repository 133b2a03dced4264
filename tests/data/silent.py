"""A network between a service and its PostgreSQL: what was connected can fall silent, as after a failover without a word."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from urllib.parse import urlsplit


class Network:
    """url: of the database, by way of this network."""

    def __init__(self, url: str) -> None:
        self._parts = urlsplit(url)
        self._silence = asyncio.Event()
        self._writers: list[asyncio.StreamWriter] = []
        self._backs: list[asyncio.StreamWriter] = []
        self.url = url

    def silence(self) -> None:
        """The server that there was is gone, without a word to those who are connected to it. New connections work."""
        self._silence.set()
        self._silence = asyncio.Event()
        for writer in self._backs:
            writer.transport.abort()
        self._backs = []

    async def connect(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        silence = self._silence
        there, back = await asyncio.open_connection(self._parts.hostname, self._parts.port)
        self._writers.append(writer)
        self._backs.append(back)
        await asyncio.gather(self._pass(reader, back, silence), self._pass(there, writer, silence))

    async def _pass(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, silence: asyncio.Event) -> None:
        try:
            while data := await source.read(65_536):
                if not silence.is_set():
                    sink.write(data)
        except OSError:
            return
        if not silence.is_set():
            sink.close()

    def end(self) -> None:
        for writer in (*self._writers, *self._backs):
            writer.transport.abort()


@asynccontextmanager
async def network_to(url: str) -> AsyncIterator[Network]:
    """A network to that database."""
    network = Network(url)
    server = await asyncio.start_server(network.connect, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    network.url = parts._replace(netloc=f"{login}@127.0.0.1:{port}").geturl()
    try:
        yield network
    finally:
        server.close()
        network.end()
