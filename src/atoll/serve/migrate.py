"""Migrating a service's database as a step of its own, before a release starts."""

from __future__ import annotations

import asyncio
import os

from atoll.data.migrations import MigrationError, migrate
from atoll.serve.environment import read_environment
from atoll.serve.failure import CannotServe
from atoll.serve.load import load_service


def migrate_service(target: str) -> str:
    """Migrates the database of ``package.module:service``; what was done, in a line. CannotServe says what prevents it."""
    environment = read_environment(os.environ)
    service = load_service(target)
    if not service.migrations:
        return f"{service.name} owns no database; there is nothing to migrate"
    if not environment.database_url:
        raise CannotServe("set ATOLL_DATABASE_URL (postgresql://role:password@host:port/name)")
    try:
        report = asyncio.run(migrate(environment.database_url, service))
    except MigrationError as error:
        raise CannotServe(str(error)) from None
    done = ", ".join(report.applied) or "at the newest revision already"
    return f"{service.name}: {done} ({report.seconds:.2f} s)"
