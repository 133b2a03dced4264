"""From a service's functions to handlers: dependencies planned, and around each the layers that it needs, no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atoll.contracts import Event, Operation
from atoll.data import Database, Work, idempotent_replies, transactional
from atoll.resilience import server_stack
from atoll.serve.failure import CannotServe
from atoll.service import Handler, Named, Service, Sources, Stack, bind
from atoll.service.handlers import name_of
from atoll.service.plan import scoped_needs


def operation_handlers(
    service: Service, provided: dict[type, Any], database: Database | None
) -> dict[Operation[Any, Any], Handler]:
    """A handler for each operation; CannotServe names the function and parameter that cannot be provided."""
    sources = Sources(scoped=(Work,) if database else (), provided=provided)
    outer = server_stack()
    return {
        operation: Stack([*outer, *_own_layers(operation, function, database)]).around(_bind(function, sources))
        for operation, function in service.operations.items()
    }


def _own_layers(operation: Operation[Any, Any], function: Callable[..., Any], database: Database | None) -> list[Named]:
    """What only this operation needs, inside of what protects the whole server."""
    if database is None:
        if operation.keyed:
            raise CannotServe(f"{operation!r} is keyed, so its service needs a database: Service(..., migrations=...)")
        return []
    if not operation.keyed and not scoped_needs(function, (Work,)):
        return []
    layers = [Named("transaction", transactional(database), "one unit of work for state, events and the reply")]
    if operation.keyed:
        kept = idempotent_replies(database, operation)
        layers.append(Named("idempotency", kept, "inside the transaction: the stored reply commits with the work"))
    return layers


def event_handlers(service: Service, provided: dict[type, Any]) -> dict[type[Event], Handler]:
    """A handler for each consumed event; the consumer itself puts the unit of work and the inbox around it."""
    sources = Sources(scoped=(Work,), provided=provided)
    return {event: _bind(function, sources) for event, function in service.consumers.items()}


def _bind(function: Callable[..., Any], sources: Sources) -> Handler:
    try:
        return bind(function, sources)
    except TypeError as error:
        raise CannotServe(str(error)) from None


def refuse_gaps(service: Service) -> None:
    """CannotServe if an operation of the service's Apis has no handler."""
    missing = service.missing()
    if missing:
        names = ", ".join(f"{one.api.__name__}.{one.name}" for one in missing)
        known = ", ".join(name_of(one) for one in service.operations.values())
        raise CannotServe(f"nothing implements {names}; add a handler with @implements (there are: {known})")
