"""`Saga`: what a saga's function is given to take its steps with."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from typing import Any, Concatenate, Generic, ParamSpec, Protocol, Self, TypeVar, overload
from uuid import UUID

from atoll.contracts import Event
from atoll.contracts.operations import BoundCall
from atoll.data import Work
from atoll.sagas.actions import Local, Remote

P = ParamSpec("P")
R = TypeVar("R")
Req = TypeVar("Req")
E = TypeVar("E", bound=Event)
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")
LocalFunction = Callable[Concatenate[Work, P], Awaitable[R]]


class Steps(Protocol):
    """What carries the steps out, or replays them (`Run` does)."""

    id: UUID
    key: str

    async def step(self, step: Step[Any]) -> Any: ...

    async def wait(self, event: type[Event], timeout: float | None, name: str) -> Any: ...

    async def timer(self, delay: float, name: str) -> None: ...

    async def gather(self, branches: tuple[Awaitable[Any], ...]) -> tuple[Any, ...]: ...

    async def undo(self, name: str, action: Local | Remote) -> None: ...


class Step(Generic[R]):
    """A step that happens when it is awaited: ``await saga.step(...).undo(...)``."""

    __slots__ = ("_steps", "action", "compensation", "name", "patience")

    def __init__(self, steps: Steps, name: str, action: Local | Remote) -> None:
        self._steps = steps
        self.name = name
        self.action = action
        self.compensation: Local | Remote | None = None
        self.patience: float | None = None

    @overload
    def undo(self, do: BoundCall[Req, Any], message: Req, /) -> Self: ...

    @overload
    def undo(self, do: LocalFunction[P, Any], *arguments: P.args, **keywords: P.kwargs) -> Self: ...

    def undo(self, do: Any, *arguments: Any, **keywords: Any) -> Self:
        """What takes the step back, if the saga is compensated: a local function, or a call and its message.

        That of a call is also due if nobody knows whether the call took effect, so it must bear that there is nothing to undo.
        """
        self.compensation = action(do, arguments, keywords)
        return self

    def within(self, seconds: float) -> Self:
        """How long the step may be tried (default: the saga's patience)."""
        self.patience = seconds
        return self

    def __await__(self) -> Generator[Any, Any, R]:
        return self._steps.step(self).__await__()


class Saga:
    """The steps of one saga. Each is journaled: after it has completed it never runs again, whatever happens.

    The function is run again from its beginning whenever the saga goes on, and completed steps give back what they gave. So
    between steps it must do nothing but decide: no I/O, no clock, no chance.
    """

    __slots__ = ("_steps", "id", "key")

    def __init__(self, steps: Steps) -> None:
        self._steps = steps
        self.id = steps.id
        self.key = steps.key

    def step(self, name: str, do: LocalFunction[P, R], *arguments: P.args, **keywords: P.kwargs) -> Step[R]:
        """A step of the service itself: ``do(work, *arguments)``. Its effect and its journal row commit together.

        An `Error` below 500 is its answer, and is raised here; anything else is tried again, for the saga's patience.
        """
        return Step(self._steps, name, action(do, arguments, keywords))

    @overload
    def call(self, name: str, do: BoundCall[None, R]) -> Step[R]: ...

    @overload
    def call(self, name: str, do: BoundCall[Req, R], message: Req) -> Step[R]: ...

    def call(self, name: str, do: BoundCall[Any, R], message: Any = None) -> Step[R]:
        """A call to another service, sent again under one idempotency key until there is an answer.

        The callee's Error below 500 is raised here; `GaveUp` when the patience is over. The operation must be keyed or
        idempotent.
        """
        return Step(self._steps, name, action(do, (message,), {}))

    async def wait(self, event: type[E], *, timeout: float | None = None, name: str = "") -> E:
        """The next event of this type with the saga's key; one that came before is not lost. `TimedOut` after ``timeout`` s."""
        found: E = await self._steps.wait(event, timeout, name)
        return found

    async def timer(self, delay: float, *, name: str = "") -> None:
        """Returns after ``delay`` seconds, counted from the first time; restarts do not matter."""
        await self._steps.timer(delay, name)

    @overload
    async def gather(self, a: Awaitable[A], b: Awaitable[B], /) -> tuple[A, B]: ...

    @overload
    async def gather(self, a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], /) -> tuple[A, B, C]: ...

    @overload
    async def gather(
        self, a: Awaitable[A], b: Awaitable[B], c: Awaitable[C], d: Awaitable[D], /
    ) -> tuple[A, B, C, D]: ...

    @overload
    async def gather(self, *branches: Awaitable[A]) -> tuple[A, ...]: ...

    async def gather(self, *branches: Awaitable[Any]) -> tuple[Any, ...]:
        """The branches in parallel: steps, waits, or functions that take several. Raises the failure that came first.

        (`asyncio.gather` will not do: the journal could not tell the branches apart.)
        """
        return await self._steps.gather(branches)

    @overload
    async def undo(self, name: str, do: BoundCall[Req, Any], message: Req, /) -> None: ...

    @overload
    async def undo(self, name: str, do: LocalFunction[P, Any], /, *arguments: P.args, **keywords: P.kwargs) -> None: ...

    async def undo(self, name: str, do: Any, /, *arguments: Any, **keywords: Any) -> None:
        """From here on, a compensation does this too: for what can only be taken back with a step's result."""
        await self._steps.undo(name, action(do, arguments, keywords))


def action(do: Any, arguments: tuple[Any, ...], keywords: dict[str, Any]) -> Local | Remote:
    """The action of a call and its message, or of a local function and its arguments; TypeError if it is not safe to journal."""
    found = Remote(do, *arguments) if isinstance(do, BoundCall) else Local(do, arguments, keywords)
    found.refuse_unsafe()
    return found
