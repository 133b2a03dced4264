"""What the operator's verbs share: the services' databases, and refusals as one line."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

from atoll.cli.databases import database_urls
from atoll.cli.options import system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.operate import Databases

T = TypeVar("T")


def databases_of(ctx: click.Context, system_file: str | None, service: str = "") -> Databases:
    """Those of the running system, or the one that the environment names; Trouble for a service that has none."""
    from atoll.operate import Databases

    return Databases(database_urls(lambda: system_path(ctx, system_file), service))


def run(action: Coroutine[Any, Any, T]) -> T:
    """What it gives; Trouble, one line, for what cannot be done."""
    from atoll.contracts import Error
    from atoll.messaging import SubscriptionEnded
    from atoll.operate import DatabaseAway, RebuildFailed

    try:
        return asyncio.run(action)
    except Error as error:
        raise Trouble(error.detail) from None
    except (DatabaseAway, RebuildFailed) as error:
        raise Trouble(str(error)) from None
    except SubscriptionEnded as error:
        raise Trouble(f"the broker: {error}") from None


def plain(value: Any) -> Any:
    """What JSON can say: dataclasses as objects, times in ISO 8601."""
    if is_dataclass(value) and not isinstance(value, type):
        return plain(asdict(value))
    if isinstance(value, dict):
        return {str(name): plain(one) for name, one in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(one) for one in value]
    if isinstance(value, datetime):
        return value.isoformat()
    return str(value) if isinstance(value, UUID) else value
