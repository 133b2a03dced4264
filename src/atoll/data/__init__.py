"""The service's own database: its connections, its units of work, its migrations.

Its one type is `Work`, the unit of work: state, outbox, inbox and idempotency record commit together or not at all.
It must not import any room but `contracts` and `service`; asyncpg stays in `postgres`, Alembic in `migrations_alembic`.
"""

from atoll.data.database import Database
from atoll.data.idempotency import idempotent_replies
from atoll.data.leases import Leases
from atoll.data.migrations import MigrationError, MigrationReport, migrate
from atoll.data.outbox import Outbox, OutboxStatus
from atoll.data.postgres import Connection, DatabaseUnavailable, Row, UniqueViolation
from atoll.data.transactional import transactional
from atoll.data.work import Work

__all__ = [
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "Leases",
    "MigrationError",
    "MigrationReport",
    "Outbox",
    "OutboxStatus",
    "Row",
    "UniqueViolation",
    "Work",
    "idempotent_replies",
    "migrate",
    "transactional",
]
