"""A service's own tables, to look at and not to touch. What bears the name of a secret is not shown."""

from __future__ import annotations

import re
from typing import Any

from starlette.requests import Request
from starlette.routing import Route

from atoll.cli.dashboard.reach import Reach, answering
from atoll.data import Connection
from atoll.platform.dashboard.asking import Unknown, number

MOST_ROWS = 200
MOST_TEXT = 2_000  # characters of a value
_SECRET = re.compile(r"password|secret|token|card|private|hash|salt|credential|jwk", re.IGNORECASE)
_HIDDEN = "(not shown)"
_TABLES = """
SELECT n.nspname AS schema, c.relname AS table, greatest(c.reltuples, 0)::bigint AS rows,
       pg_total_relation_size(c.oid) AS bytes
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p', 'v', 'm') AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname <> 'information_schema'
  AND NOT c.relispartition ORDER BY n.nspname <> 'public', 1, 2
"""
_COLUMNS = """
SELECT a.attname AS name, format_type(a.atttypid, a.atttypmod) AS type FROM pg_attribute a
WHERE a.attrelid = to_regclass($1) AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum
"""


def routes(reach: Reach) -> list[Route]:
    """The paths."""

    async def listing(request: Request) -> object:
        async with (await reach.databases()).of(request.path_params["service"]) as database:
            async with database.connection() as connection, connection.transaction():
                await _only_look(connection)
                return {"tables": [dict(row) for row in await connection.fetch(_TABLES)]}

    async def rows(request: Request) -> object:
        schema, table = request.path_params["schema"], request.path_params["table"]
        limit = min(number(request.query_params, "limit", 10_000) or 50, MOST_ROWS)
        offset = number(request.query_params, "offset", 10**9)
        name = f"{_quoted(schema)}.{_quoted(table)}"
        async with (await reach.databases()).of(request.path_params["service"]) as database:
            async with database.connection() as connection, connection.transaction():
                await _only_look(connection)
                columns = [dict(row) for row in await connection.fetch(_COLUMNS, name)]
                if not columns:
                    raise Unknown(f"there is no table {schema}.{table}")
                return {"columns": columns, "rows": await _read(connection, name, columns, limit, offset)}

    return [
        Route("/api/data/{service}", answering(listing)),
        Route("/api/data/{service}/{schema}/{table}", answering(rows)),
    ]


async def _only_look(connection: Connection) -> None:
    await connection.execute("SET TRANSACTION READ ONLY")
    await connection.execute("SET LOCAL statement_timeout = '3s'")


async def _read(
    connection: Connection, name: str, columns: list[dict[str, Any]], limit: int, offset: int
) -> list[list[str | None]]:
    shown = ", ".join(
        f"'{_HIDDEN}'" if _SECRET.search(column["name"]) else f"left({_quoted(column['name'])}::text, {MOST_TEXT})"
        for column in columns
    )
    statement = f"SELECT {shown} FROM {name} ORDER BY 1 DESC LIMIT $1 OFFSET $2"  # noqa: S608 - names are quoted
    return [list(row) for row in await connection.fetch(statement, limit, offset)]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""').replace("\0", "") + '"'
