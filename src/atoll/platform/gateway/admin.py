"""Envoy's admin port: a small HTTP client for questions to it. The connection is loopback, and closed after each."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

_LIMIT = 16 * 1024 * 1024  # bytes of a reply


class AdminUnreachable(Exception):
    """Nothing answers at the admin port, or it does not speak HTTP; one line."""


class Admin:
    """The admin of one Envoy at 127.0.0.1:port. Every question takes at most ``timeout`` seconds."""

    def __init__(self, port: int, *, timeout: float = 5.0) -> None:
        self.port = port
        self.timeout = timeout

    async def stats(self, pattern: str) -> Mapping[str, int | str]:
        """Counters, gauges and texts whose names match a regular expression."""
        status, body = await self._ask("GET", f"/stats?format=json&filter={quote(pattern)}")
        if status != 200:
            raise AdminUnreachable(
                f"Envoy's admin at 127.0.0.1:{self.port} answered {status} to a question for statistics"
            )
        found = json.loads(body)["stats"]
        return {stat["name"]: stat["value"] for stat in found if "name" in stat and "value" in stat}

    async def hosts(self) -> Mapping[str, Mapping[str, Mapping[str, int]]]:
        """cluster -> ``ip:port`` of an endpoint -> its own counts: rq_total, rq_success, rq_error, rq_timeout and others."""
        status, body = await self._ask("GET", "/clusters?format=json")
        if status != 200:
            raise AdminUnreachable(
                f"Envoy's admin at 127.0.0.1:{self.port} answered {status} to a question for clusters"
            )
        clusters = json.loads(body).get("cluster_statuses", ())
        return {cluster["name"]: _hosts(cluster) for cluster in clusters}

    async def ready(self) -> bool:
        """Whether Envoy is live: initialised and not draining."""
        status, _ = await self._ask("GET", "/ready")
        return status == 200

    async def drain(self) -> None:
        """Stop taking connections, let what is in flight end."""
        await self._ask("POST", "/drain_listeners?graceful")

    async def _ask(self, method: str, path: str) -> tuple[int, bytes]:
        try:
            async with asyncio.timeout(self.timeout):
                return await self._exchange(method, path)
        except (OSError, TimeoutError, EOFError, ValueError) as error:
            reason = str(error) or type(error).__name__
            raise AdminUnreachable(f"Envoy's admin at 127.0.0.1:{self.port} does not answer: {reason}") from error

    async def _exchange(self, method: str, path: str) -> tuple[int, bytes]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=_LIMIT)
        try:
            head = f"{method} {path} HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            writer.write(head.encode())
            await writer.drain()
            status = int((await reader.readline()).split()[1])
            chunked = False
            while line := (await reader.readline()).strip():
                chunked = chunked or line.lower().replace(b" ", b"") == b"transfer-encoding:chunked"
            return status, await (_chunks(reader) if chunked else reader.read())
        except IndexError as error:
            raise ValueError("it closed the connection") from error
        finally:
            writer.close()


def _hosts(cluster: Mapping[str, Any]) -> dict[str, dict[str, int]]:
    found = {}
    for host in cluster.get("host_statuses", ()):
        place = host["address"]["socket_address"]
        found[f"{place['address']}:{place['port_value']}"] = {
            stat["name"]: int(stat.get("value", 0)) for stat in host.get("stats", ()) if "name" in stat
        }
    return found


async def _chunks(reader: asyncio.StreamReader) -> bytes:
    content = bytearray()
    while size := int(await reader.readline(), 16):
        content += await reader.readexactly(size)
        await reader.readline()
    return bytes(content)
