"""`Service`: an explicit list of what one service implements, consumes, calls and needs."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from atoll.contracts import Api, Event, Operation, Upcaster
from atoll.contracts.operations import RouteShape, route_shape
from atoll.contracts.upcasting import upcasts_of
from atoll.service.handlers import Implements, mark_of, name_of
from atoll.service.resilience import Resilience

Provider = Callable[..., Any]


class Service:
    """What a service is made of; inert until `atoll serve` runs it.

    handlers: functions marked with @implements or @consumes. calls: the Apis that it calls; each becomes an injectable client.
    publishes: the events that it publishes (for AsyncAPI; publishing another one is an error).
    provides: functions whose return annotation is what they provide, one object a process; ``async def``, or an async
      generator that yields it once and cleans up after the yield. They may ask for settings, clients and provided things.
    settings: msgspec Structs or dataclasses read once from the environment: field ``card_limit`` is ``CARD_LIMIT``.
    migrations: ``package:folder`` with the Alembic revisions of its own tables; given means that it owns a database.
    mounts: ASGI applications by path prefix.
    sagas: functions marked with @saga.
    projections: classes of `Projection`; each becomes an injectable object, and runs in one instance at a time.
    upcasters: functions marked with @upcasts: how older versions of events are read, consumed or in projections.
    resilience: what differs from the default stacks (timeouts, retries, limits), by client and operation.
    """

    def __init__(
        self,
        name: str,
        *,
        handlers: Iterable[Callable[..., Any]] = (),
        calls: Iterable[type[Api]] = (),
        publishes: Iterable[type[Event]] = (),
        provides: Iterable[Provider] = (),
        settings: Iterable[type] = (),
        migrations: str = "",
        mounts: Mapping[str, Any] | None = None,
        sagas: Iterable[Callable[..., Any]] = (),
        projections: Iterable[type[Any]] = (),
        upcasters: Iterable[Upcaster] = (),
        version: str = "0.0.0",
        resilience: Resilience | None = None,
    ) -> None:
        self.name = name
        self.calls = tuple(calls)
        self.publishes = tuple(publishes)
        self.provides = tuple(provides)
        self.settings = tuple(settings)
        self.migrations = migrations
        self.mounts = dict(mounts or {})
        self.sagas = tuple(sagas)
        self.projections = tuple(projections)
        self.upcasters = tuple(upcasters)
        for upcaster in self.upcasters:
            upcasts_of(upcaster)
        self.version = version
        self.resilience = resilience or Resilience()
        self.operations: dict[Operation[Any, Any], Callable[..., Any]] = {}
        self.consumers: dict[type[Event], Callable[..., Any]] = {}
        for handler in handlers:
            self._add(handler)
        _refuse_same_routes(self.operations)

    @property
    def apis(self) -> tuple[type[Api], ...]:
        """The Apis of which this service implements at least one operation."""
        return tuple(dict.fromkeys(operation.api for operation in self.operations))

    def missing(self) -> tuple[Operation[Any, Any], ...]:
        """Operations of its Apis that nothing here implements; `atoll serve` refuses to start while there are any."""
        return tuple(one for api in self.apis for one in api.operations_ if one not in self.operations)

    def _add(self, handler: Callable[..., Any]) -> None:
        mark = mark_of(handler)
        if isinstance(mark, Implements):
            if (twin := self.operations.get(mark.operation)) is not None:
                raise TypeError(f"{name_of(twin)} and {name_of(handler)} both implement {mark.operation!r}; keep one")
            self.operations[mark.operation] = handler
        else:
            if (twin := self.consumers.get(mark.event)) is not None:
                raise TypeError(f"{name_of(twin)} and {name_of(handler)} both consume {mark.event.__name__}; keep one")
            self.consumers[mark.event] = handler


def _refuse_same_routes(operations: Iterable[Operation[Any, Any]]) -> None:
    seen: dict[RouteShape, Operation[Any, Any]] = {}
    for operation in operations:
        twin = seen.setdefault(route_shape(operation), operation)
        if twin is not operation:
            raise TypeError(f"{twin!r} and {operation!r} have the same route; change one of them")
