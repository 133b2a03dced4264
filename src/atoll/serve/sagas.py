"""A service's sagas: what they need, what they consume, what runs them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from atoll.contracts import Event
from atoll.data import Database, Weight
from atoll.sagas import SagaRunner, Sagas, saga_events
from atoll.serve.failure import CannotServe
from atoll.service import Handler, Request, Service


def consumed_events(service: Service) -> tuple[type[Event], ...]:
    """What handlers and sagas consume. CannotServe for a saga that is none."""
    try:
        return tuple(dict.fromkeys((*service.consumers, *saga_events(service.sagas))))
    except TypeError as error:
        raise CannotServe(str(error)) from None


def saga_runner(
    service: Service, provided: dict[type, Any], database: Database | None, weight: Weight | None = None
) -> SagaRunner | None:
    """What runs the service's sagas; provides `Sagas` from now on. CannotServe names what cannot be provided."""
    if not service.sagas or database is None:
        return None
    try:
        runner = SagaRunner(database, service.sagas, service=service.name, provided=provided, weight=weight)
    except TypeError as error:
        raise CannotServe(str(error)) from None
    provided[Sagas] = runner.sagas
    return runner


def together(
    handlers: Mapping[type[Event], Handler], sagas: Mapping[type[Event], Handler]
) -> dict[type[Event], Handler]:
    """One handler an event: where a handler and a saga want the same one, both have it in one transaction."""
    found = dict(handlers)
    for event, handler in sagas.items():
        found[event] = _both(found[event], handler) if event in found else handler
    return found


def _both(first: Handler, second: Handler) -> Handler:
    async def handle(request: Request) -> None:
        await first(request)
        await second(request)

    return handle
