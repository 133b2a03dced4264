"""From a service's functions to handlers: dependencies planned, and around each the layers that it needs, no others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from atoll.contracts import Event, Operation
from atoll.contracts.policies import PolicyError
from atoll.data import Database, Work, idempotent_replies, transactional
from atoll.data.transactional import AGAIN
from atoll.resilience import ServerStacks
from atoll.resilience.order import SERVER
from atoll.resilience.records import Hook, ignore
from atoll.serve.failure import CannotServe
from atoll.service import Handler, Named, Resilience, Service, Sources, Stack, bind
from atoll.service.handlers import name_of
from atoll.service.plan import scoped_needs

Stacks = dict[Operation[Any, Any], Stack]


def operation_stacks(
    service: Service, resilience: Resilience, database: Database | None, hook: Hook = ignore
) -> Stacks:
    """The stack of each operation; CannotServe for what cannot work."""
    made = ServerStacks(resilience.server, layers=resilience.server_layers, hook=hook)
    try:
        return {
            operation: made.of(
                operation, resilience.operation_of(operation), _own_layers(operation, function, database)
            )
            for operation, function in service.operations.items()
        }
    except (PolicyError, KeyError) as error:
        raise CannotServe(str(error.args[0])) from None


def operation_handlers(
    service: Service, provided: dict[type, Any], database: Database | None, stacks: Stacks
) -> dict[Operation[Any, Any], Handler]:
    """A handler for each operation; CannotServe names the function and parameter that cannot be provided."""
    sources = Sources(scoped=(Work,) if database else (), provided=provided)
    return {
        operation: stacks[operation].around(_bind(function, sources))
        for operation, function in service.operations.items()
    }


def _own_layers(operation: Operation[Any, Any], function: Callable[..., Any], database: Database | None) -> Stack:
    """What only this operation needs, inside of what protects the whole server."""
    if database is None:
        if operation.keyed:
            raise CannotServe(f"{operation!r} is keyed, so its service needs a database: Service(..., migrations=...)")
        return Stack()
    if not operation.keyed and not scoped_needs(function, (Work,)):
        return Stack()
    tries = AGAIN if operation.keyed or operation.idempotent else 1
    layers = [Named("transaction", transactional(database, tries=tries), SERVER["transaction"])]
    if operation.keyed:
        layers.append(Named("idempotency", idempotent_replies(database, operation), SERVER["idempotency"]))
    return Stack(layers)


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
