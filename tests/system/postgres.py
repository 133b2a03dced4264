"""What the databases say: the independent judge of what the services claim."""

from __future__ import annotations

import asyncio
from typing import Any

import asyncpg
from tests.system.local_system import LocalSystem


def rows(shop: LocalSystem, service: str, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    """The rows, read with the service's own role from its own database."""
    return asyncio.run(_rows(shop.environment(service)["ATOLL_DATABASE_URL"], statement, *arguments))


def refusal(url: str) -> str:
    """Why the server does not let ``url`` in; empty if it does."""
    return asyncio.run(_refusal(url))


async def _rows(url: str, statement: str, *arguments: Any) -> list[dict[str, Any]]:
    connection: Any = await asyncpg.connect(url)
    try:
        return [dict(row) for row in await connection.fetch(statement, *arguments)]
    finally:
        await connection.close()


async def _refusal(url: str) -> str:
    try:
        connection: Any = await asyncpg.connect(url)
    except asyncpg.PostgresError as error:
        return str(error)
    await connection.close()
    return ""
