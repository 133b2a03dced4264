"""Migrations of the framework's tables and of the service's own, run as a step before a release starts.

Revisions are Alembic's, with its version tables (``atoll.alembic_version`` and ``public.alembic_version``). Alembic itself
is imported only for what needs it: importing it takes a second, and a revision that is nothing but ``op.execute("...")``
runs without it, in a transaction of its own, and may hold several statements.
"""

from __future__ import annotations

import importlib.util
import time
from dataclasses import dataclass, field
from pathlib import Path

from atoll.data import postgres
from atoll.data.postgres import DRIVER_ERRORS, Connection, one_line
from atoll.data.revisions import BrokenRevision, Revision, Revisions, read_revisions
from atoll.service import Service

LOCK = 7_021_664_311  # one migration at a time in a database
_UNREACHABLE: tuple[type[Exception], ...] = (*DRIVER_ERRORS, ValueError)  # ValueError: the URL is not one
FRAMEWORK = Path(__file__).parent / "schema"


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """applied: the revisions that were applied, in order, such as ``shop_orders:migrations 0002``; empty when all was there.

    ahead: whose database has a revision that this release does not know, because a newer one migrated it; it is left alone.
    """

    applied: tuple[str, ...] = ()
    ahead: tuple[str, ...] = ()
    seconds: float = 0.0


class MigrationError(Exception):
    """One line: which revision or database, what is wrong, what to do."""


@dataclass(frozen=True, slots=True)
class _Source:
    name: str
    schema: str
    revisions: Revisions


@dataclass(slots=True)
class _Progress:
    applied: list[str] = field(default_factory=list)
    ahead: list[str] = field(default_factory=list)


async def migrate(url: str, service: Service) -> MigrationReport:
    """Brings the database at ``url`` to the newest revision. Safe to run from several processes at once: others wait."""
    started = time.monotonic()
    sources = _sources(service)
    try:
        connection = await postgres.connect(url, f"{service.name} migration")
    except _UNREACHABLE as error:
        raise MigrationError(f"the database of {service.name} cannot be reached: {one_line(error)}") from None
    try:
        progress = await _migrate(connection, url, sources)
    except DRIVER_ERRORS as error:
        raise MigrationError(f"the database of {service.name} cannot be migrated: {one_line(error)}") from error
    finally:
        await connection.close()
    return MigrationReport(tuple(progress.applied), tuple(progress.ahead), time.monotonic() - started)


def _sources(service: Service) -> list[_Source]:
    try:
        found = [_Source("atoll", "atoll", read_revisions(FRAMEWORK))]
        if service.migrations:
            found.append(_Source(service.migrations, "public", read_revisions(locate(service.migrations))))
    except BrokenRevision as error:
        raise MigrationError(str(error)) from None
    return found


def locate(target: str) -> Path:
    """The folder that ``package:folder`` names; MigrationError if there is none."""
    package, colon, folder = target.partition(":")
    if not (package and colon and folder):
        raise MigrationError(f"migrations={target!r} is not like package:folder, shop_orders:migrations for example")
    try:
        spec = importlib.util.find_spec(package)
    except (ImportError, ValueError):
        spec = None
    if spec is None or not spec.submodule_search_locations:
        raise MigrationError(f"migrations={target!r}: there is no package {package!r}")
    path = Path(next(iter(spec.submodule_search_locations))) / folder
    if not path.is_dir():
        raise MigrationError(f"migrations={target!r}: there is no folder {path}")
    return path


async def _migrate(connection: Connection, url: str, sources: list[_Source]) -> _Progress:
    progress = _Progress()
    versions = [await _versions(connection, source) for source in sources]
    if all(now == source.revisions.heads for source, now in zip(sources, versions, strict=True)):
        return progress
    await connection.execute("SELECT pg_advisory_lock($1)", LOCK)
    for source in sources:
        await _prepare(connection, source)
        await _apply(connection, url, source, progress)
    return progress


async def _versions(connection: Connection, source: _Source) -> frozenset[str]:
    table = f"{source.schema}.alembic_version"
    if await connection.fetchval("SELECT to_regclass($1)", table) is None:
        return frozenset()
    rows = await connection.fetch(f"SELECT version_num FROM {table}")  # noqa: S608 - one of two constants
    return frozenset(row["version_num"] for row in rows)


async def _prepare(connection: Connection, source: _Source) -> None:
    await connection.execute(
        f"CREATE SCHEMA IF NOT EXISTS {source.schema}; "
        f"CREATE TABLE IF NOT EXISTS {source.schema}.alembic_version ("
        "version_num varchar(64) NOT NULL, CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
    )


async def _apply(connection: Connection, url: str, source: _Source, progress: _Progress) -> None:
    versions = await _versions(connection, source)
    if not versions <= source.revisions.known:
        progress.ahead.append(source.name)
        return
    if not source.revisions.linear:
        await _with_alembic(url, source, "heads")
        after = await _versions(connection, source)
        progress.applied.extend(f"{source.name} {revision}" for revision in sorted(after - versions))
        return
    for revision in source.revisions.after(versions):
        if revision.sql is None:
            await _with_alembic(url, source, revision.id)
        else:
            await _plain(connection, source, revision, revision.sql)
        progress.applied.append(f"{source.name} {revision.id}")


async def _plain(connection: Connection, source: _Source, revision: Revision, sql: str) -> None:
    table = f"{source.schema}.alembic_version"
    try:
        async with connection.transaction():
            if sql:
                await connection.execute(sql)
            await connection.execute("RESET ALL")
            await connection.execute(f"DELETE FROM {table}")  # noqa: S608 - one of two constants
            await connection.execute(f"INSERT INTO {table} VALUES ($1)", revision.id)  # noqa: S608 - one of two constants
    except DRIVER_ERRORS as error:
        raise MigrationError(
            f"{source.name}: revision {revision.id} ({revision.file}) failed: {one_line(error)}"
        ) from error


async def _with_alembic(url: str, source: _Source, target: str) -> None:
    from atoll.data.migrations_alembic import upgrade

    try:
        await upgrade(url, source.revisions.folder, target, source.schema)
    except Exception as error:  # a revision is the user's code and may fail in any way
        raise MigrationError(f"{source.name}: revision {target} failed: {one_line(error)}") from error
