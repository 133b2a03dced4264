"""The service's own database: its connections, its units of work, its migrations.

Its one type is `Work`, the unit of work: state, outbox, inbox and idempotency record commit together or not at all.
It must not import any room but `contracts` and `service`; asyncpg stays in `postgres`, Alembic in `migrations_alembic`.
"""

from atoll.data.aggregate import Aggregate, applies
from atoll.data.aggregates import load, load_all, save, save_on_commit
from atoll.data.checkpoints import ProjectionStatus, ask_rebuild, list_projections
from atoll.data.database import Database
from atoll.data.deferred import StreamConflict
from atoll.data.event_order import Position
from atoll.data.event_store import EventStore
from atoll.data.event_types import Stored, UnreadableEvent
from atoll.data.idempotency import idempotent_replies
from atoll.data.leases import Leases
from atoll.data.migrations import MigrationError, MigrationReport, migrate
from atoll.data.outbox import Outbox, OutboxStatus
from atoll.data.postgres import Connection, DatabaseUnavailable, Row, UniqueViolation
from atoll.data.projecting import projects, projects_batch
from atoll.data.projection import Projection, ReadModelBehind
from atoll.data.rebuild import RebuildError
from atoll.data.transactional import transactional
from atoll.data.weight import Weight
from atoll.data.work import Work

__all__ = [
    "Aggregate",
    "Connection",
    "Database",
    "DatabaseUnavailable",
    "EventStore",
    "Leases",
    "MigrationError",
    "MigrationReport",
    "Outbox",
    "OutboxStatus",
    "Position",
    "Projection",
    "ProjectionStatus",
    "ReadModelBehind",
    "RebuildError",
    "Row",
    "Stored",
    "StreamConflict",
    "UniqueViolation",
    "UnreadableEvent",
    "Weight",
    "Work",
    "applies",
    "ask_rebuild",
    "idempotent_replies",
    "list_projections",
    "load",
    "load_all",
    "migrate",
    "projects",
    "projects_batch",
    "save",
    "save_on_commit",
    "transactional",
]
