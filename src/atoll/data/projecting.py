"""How events become rows: the marks of the functions that do it, and one step of the work."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar, cast

from atoll.contracts import Event, Upcaster
from atoll.crash import crash_point
from atoll.data.checkpoints import Checkpoint
from atoll.data.event_order import Position, Settled, read_settled
from atoll.data.event_types import EventTypes, Stored
from atoll.data.postgres import Connection
from atoll.service.tracing import CONSUMER, Context, SpanPlan, context_of, kept_plan, traced

E = TypeVar("E", bound=Event)
Project = Callable[[Stored[E], Connection], Awaitable[None]]
ProjectBatch = Callable[[Sequence[Stored[Any]], Connection], Awaitable[None]]
Guard = Callable[[Connection], Awaitable[None]]
B = TypeVar("B", bound=ProjectBatch)
_MARK = "__atoll_projects__"
MOST_LINKS = 32  # of one span


@dataclass(frozen=True, slots=True)
class Projects:
    """The mark of a function that projects events."""

    events: tuple[type[Event], ...]
    batch: bool


@dataclass(frozen=True, slots=True)
class Step:
    """What one step did. at: where the checkpoint is now. full: more may follow at once."""

    at: Position
    full: bool = False


def projects(event: type[E]) -> Callable[[Project[E]], Project[E]]:
    """Marks an ``async def`` that writes each event of this type into the read model, on the connection that it is given.

    Its writes commit together with the checkpoint. Names of tables stay without a schema, so that a rebuild can redirect them.
    """
    return lambda function: _mark(function, (event,), batch=False)


def projects_batch(*events: type[Event]) -> Callable[[B], B]:
    """Marks an ``async def`` that writes many events at once, in their order: for read models that must rebuild fast.

    It gets what there is, from one event to some thousands, and is the only handler of its projection.
    """
    return lambda function: _mark(function, events, batch=True)


class Projecting:
    """The handlers of one projection, planned once. TypeError for a function that is none, and for two of one event."""

    def __init__(self, handlers: Iterable[Callable[..., Any]], upcasters: Iterable[Upcaster] = ()) -> None:
        self._handlers: dict[type[Event], Project[Any]] = {}
        self._batch: ProjectBatch | None = None
        functions = list(handlers)
        for function in functions:
            self._add(function, alone=len(functions) == 1)
        self.types = EventTypes(self._handlers, upcasters)

    async def step(
        self, connection: Connection, checkpoint: Checkpoint, after: Position, limit: int, guard: Guard | None = None
    ) -> Step:
        """Projects what follows ``after``, in one transaction with the checkpoint; all of it or, if anything raises, nothing.

        If the checkpoint turns out to be elsewhere, it does nothing and says where. guard: called before the commit.
        """
        found = await read_settled(connection, after, self.types.subjects, limit)
        if found.upto == after:
            return Step(after)
        batch = [self.types.stored_of(row) for row in found.rows]
        with traced(_plan(checkpoint.name)) as span:
            if span is not None:
                span.links = _links(batch)
                span.set("messaging.batch.message_count", len(batch))
            return await self._step(connection, checkpoint, after, batch, found, guard)

    async def _step(
        self,
        connection: Connection,
        checkpoint: Checkpoint,
        after: Position,
        batch: Sequence[Stored[Any]],
        found: Settled,
        guard: Guard | None,
    ) -> Step:
        async with connection.transaction():
            at = await checkpoint.read(connection, lock=True)
            if at != after:
                return Step(at, full=True)
            await self._project(batch, connection)
            if guard is not None:
                await guard(connection)
            crash_point("before-checkpoint")
            await checkpoint.move(connection, found.upto)
        crash_point("after-checkpoint")
        return Step(found.upto, found.full)

    async def _project(self, batch: Sequence[Stored[Any]], connection: Connection) -> None:
        if self._batch is not None:
            if batch:
                await self._batch(batch, connection)
            return
        handlers = self._handlers
        for stored in batch:
            await handlers[type(stored.event)](stored, connection)

    def _add(self, function: Callable[..., Any], *, alone: bool) -> None:
        mark: Projects | None = getattr(function, _MARK, None)
        if mark is None:
            raise TypeError(f"{_name(function)} projects nothing: decorate it with @projects(SomeEvent)")
        if mark.batch:
            if not alone:
                raise TypeError(
                    f"{_name(function)} projects batches, so it is the only handler: events keep their order"
                )
            self._batch = function
        for event in mark.events:
            if (twin := self._handlers.get(event)) is not None:
                raise TypeError(f"{_name(twin)} and {_name(function)} both project {event.__name__}; keep one")
            self._handlers[event] = function


def _plan(name: str) -> SpanPlan:
    told = {"atoll.projection": name}
    metric = "atoll.projection.batch.duration"
    return kept_plan(
        f"project {name}", lambda: SpanPlan(f"project {name}", CONSUMER, told, metric=metric, labels=tuple(told))
    )


def _links(batch: Sequence[Stored[Any]]) -> tuple[Context, ...]:
    """The spans that the events come from, as far as they are told: a batch has many origins and no parent."""
    found = (context_of(stored.headers.get("traceparent", "")) for stored in batch[:MOST_LINKS])
    return tuple(context for context in found if context is not None)


def _mark(function: Any, events: tuple[type[Event], ...], *, batch: bool) -> Any:
    if not events:
        raise TypeError(f"{_name(function)} projects no event; name at least one")
    if not inspect.iscoroutinefunction(inspect.unwrap(function)):
        raise TypeError(f"{_name(function)} is no async def; what projects is (nothing here may block the event loop)")
    setattr(function, _MARK, Projects(events, batch))
    return cast(Any, function)


def _name(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
