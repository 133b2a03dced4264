"""One database and one role a service, which no other service's role can open. (Named after the driver it uses.)"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from atoll.platform.local.scram import scram_verifier
from atoll.system import Trouble

if TYPE_CHECKING:
    import asyncpg


EACH = 20  # connections that every other service keeps room for: one instance's pool, its relay and migrations
RESERVED = 10  # connections for the administrator and for people who look into the data


def preload() -> None:
    """Import the driver (some 100 ms), in a thread while the server starts."""
    import asyncpg  # noqa: F401


async def provision(admin_url: str, passwords: Mapping[str, str], remedy: str, *, ours: bool = False) -> frozenset[str]:
    """Make what is missing for each name (of a database and its role), and set the passwords; the names newly made.

    ours: the server is of this system alone, so that its common databases are closed as well.
    Safe to repeat. Trouble, with ``remedy``, when the server refuses the administrator.
    """
    await asyncio.to_thread(preload)
    import asyncpg

    try:
        connection = await asyncpg.connect(admin_url, timeout=10)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Trouble(f"PostgreSQL at {_where(admin_url)} refuses the administrator: {error}; {remedy}") from None
    try:
        made = await _provision(connection, passwords)
        if ours:  # where any role could leave something behind for the others
            await connection.execute("REVOKE ALL ON DATABASE postgres, template1 FROM PUBLIC")
        return made
    except asyncpg.PostgresError as error:
        raise Trouble(
            f"PostgreSQL at {_where(admin_url)}: {error}; the administrator must be allowed to make roles and databases"
        ) from None
    finally:
        await connection.close()


async def _provision(connection: asyncpg.Connection, passwords: Mapping[str, str]) -> frozenset[str]:
    names = list(passwords)
    if not names:
        return frozenset()
    roles = {
        row[0] for row in await connection.fetch("SELECT rolname FROM pg_roles WHERE rolname = ANY($1::text[])", names)
    }
    databases = {
        row[0]
        for row in await connection.fetch("SELECT datname FROM pg_database WHERE datname = ANY($1::text[])", names)
    }
    limit = await _connection_limit(connection, len(names))
    statements = [_role(name, password, limit, name in roles) for name, password in passwords.items()]
    await connection.execute("; ".join(statements))
    made = frozenset(names) - databases
    for name in sorted(made):
        # A given server's administrator may be no superuser: to hand a database to a role it must be a member of the role.
        await connection.execute(f"GRANT {_quoted(name)} TO CURRENT_USER")
        await connection.execute(f"CREATE DATABASE {_quoted(name)} OWNER {_quoted(name)}")
    # Each time: a start that was cut off between the two leaves no open door.
    await connection.execute("; ".join(f"REVOKE ALL ON DATABASE {_quoted(name)} FROM PUBLIC" for name in names))
    return made


async def _connection_limit(connection: asyncpg.Connection, services: int) -> int:
    """Of one role: all that the server has, but for what each other service needs to work at all."""
    most = int(await connection.fetchval("SHOW max_connections"))
    return max(EACH, most - RESERVED - EACH * (services - 1))


def _role(name: str, password: str, limit: int, exists: bool) -> str:
    verb = "ALTER" if exists else "CREATE"
    return (
        f"{verb} ROLE {_quoted(name)} LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE CONNECTION LIMIT {limit}"
        f" PASSWORD '{scram_verifier(password)}'"
    )


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _where(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.hostname}:{parts.port or 5432}"


async def applied_revisions(url: str) -> frozenset[str]:
    """The newest of the service's own revisions that its database has; empty for one that was never migrated.

    Trouble if the database does not answer.
    """
    await asyncio.to_thread(preload)
    import asyncpg

    try:
        connection = await asyncpg.connect(url, timeout=10)
        try:
            if await connection.fetchval("SELECT to_regclass('public.alembic_version')") is None:
                return frozenset()
            return frozenset(row[0] for row in await connection.fetch("SELECT version_num FROM public.alembic_version"))
        finally:
            await connection.close()
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise Trouble(f"PostgreSQL at {_where(url)} does not say which migrations it has: {error}") from None
