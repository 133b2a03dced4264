"""The layer that replays stored replies."""

from __future__ import annotations

from typing import Any

from atoll.contracts import Operation
from atoll.data.database import Database
from atoll.service import Layer


def idempotent_replies(database: Database, operation: Operation[Any, Any]) -> Layer:
    """Stores and replays replies by the ``idempotency-key`` header. Goes inside of `transactional`."""
    raise NotImplementedError
