"""The only file that knows asyncpg: connections, and which of its errors mean what to a caller."""

from __future__ import annotations

from typing import Any, TypeAlias

import asyncpg

from atoll.contracts import Unavailable

Connection: TypeAlias = "asyncpg.Connection[Any]"
Row = asyncpg.Record
UniqueViolation = asyncpg.UniqueViolationError


class DatabaseUnavailable(Unavailable):
    """The service's own database is away; not the fault of the request or message."""
