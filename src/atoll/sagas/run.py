"""`Run`: one go of a saga's function over its journal. What is journaled is replayed; what comes next is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from atoll.contracts import BadRequest, Error, Event, Invalid
from atoll.crash import crash_point
from atoll.data import Database
from atoll.data.postgres import one_line
from atoll.sagas.actions import Local, Remote
from atoll.sagas.attempts import Attempts, declared_errors, kind_of, when
from atoll.sagas.branches import settle
from atoll.sagas.definition import Definition
from atoll.sagas.failures import (
    Changed,
    GaveUp,
    Signal,
    Stuck,
    Suspended,
    TimedOut,
    Unwound,
    error_of,
    is_refusal,
    problem_text,
)
from atoll.sagas.journal import Entry, Journal, Place, Position
from atoll.sagas.results import read
from atoll.sagas.steps import Step

_SETTLED = frozenset({"done", "skipped"})


@dataclass(slots=True)
class Line:
    """Where the code is: the main line of the function, or a branch of it."""

    prefix: Position
    count: int = 0
    ended: Signal | None = None

    def next(self) -> Position:
        """The position of what comes next."""
        self.count += 1
        return (*self.prefix, self.count)


@dataclass(frozen=True, slots=True)
class Undo:
    """A compensation that is due if the saga is compensated. not_before: a call may still be under way until then."""

    position: Position
    name: str
    action: Local | Remote
    not_before: datetime | None = None


_line: ContextVar[Line] = ContextVar("atoll_saga_line")


@contextmanager
def _moving() -> Iterator[Line]:
    """The line of this code. After a signal nothing moves on it any more, not even in a ``finally``."""
    line = _line.get()
    if line.ended is not None:
        raise line.ended
    try:
        yield line
    except Signal as signal:
        line.ended = signal
        raise


class Run:
    """Implements `steps.Steps`. Signals end the function: `Suspended`, `Unwound`, `Overtaken`, `Away`, `Stuck`."""

    def __init__(self, database: Database, definition: Definition, journal: Journal, limit: asyncio.Semaphore) -> None:
        self.id: UUID = journal.id
        self.key = journal.key
        self.journal = journal
        self.attempts = Attempts(database, journal, limit)
        self.undos: dict[Position, Undo] = {}
        self._definition = definition
        self._placed = {entry.position: entry for entry in journal.entries.values() if entry.kind != "undo"}
        self._visited: set[Position] = set()
        self._names: set[str] = set()
        self._order: dict[BaseException, int] = {}

    async def __call__(self, function: Callable[[], Awaitable[None]]) -> None:
        """Runs the function on the main line."""
        line = Line(())
        token = _line.set(line)
        try:
            await function()
        finally:
            _line.reset(token)
        if line.ended is not None:  # the function has swallowed the signal
            raise line.ended

    def refuse_rest(self) -> None:
        """`Changed` if the journal holds steps that the code did not come to."""
        rest = sorted(self._placed.keys() - self._visited)
        if rest:
            entry = self._placed[rest[0]]
            raise Changed(f"it holds {entry.kind} {entry.name!r} at {_shown(rest[0])}, which the code did not come to")

    async def step(self, step: Step[Any]) -> Any:
        """Replays or does a step; see `steps.Saga`."""
        with _moving() as line:
            place = Place(step.name, line.next(), "call" if isinstance(step.action, Remote) else "step")
            return await self._step(place, step)

    async def wait(self, event: type[Event], timeout: float | None, name: str) -> Any:
        """Takes an event that has come, or waits for one."""
        with _moving() as line:
            if event not in self._definition.awaits:
                where = f"@saga(awaits=[...]) of {self._definition.name}"
                raise Stuck("", f"it waits for {event.__name__}, which is not declared; add it to {where}")
            return await self._wait(Place(name or f"wait for {event.subject_}", line.next(), "wait"), event, timeout)

    async def timer(self, delay: float, name: str) -> None:
        """Waits for the time."""
        with _moving() as line:
            position = line.next()
            await self._timer(Place(name or f"timer at {_shown(position)}", position, "timer"), delay)

    async def gather(self, branches: tuple[Awaitable[Any], ...]) -> tuple[Any, ...]:
        """Each branch on a line of its own."""
        with _moving() as line:
            position = line.next()

            async def branch(number: int, what: Awaitable[Any]) -> Any:
                _line.set(Line((*position, number)))
                return await what

            tasks = [asyncio.ensure_future(branch(number, what)) for number, what in enumerate(branches)]
            return settle(await asyncio.gather(*tasks, return_exceptions=True), self._order)

    async def undo(self, name: str, action: Local | Remote) -> None:
        """Remembers a compensation."""
        with _moving() as line:
            position = line.next()
            self._name(name)
            self.undos[position] = Undo(position, name, action)

    async def _step(self, place: Place, step: Step[Any]) -> Any:
        entry = self._at(place)
        declared = declared_errors(step.action, self._definition.errors)
        if entry is not None and entry.state in _SETTLED:
            if entry.state == "done" or isinstance(step.action, Remote):
                self._undoable(place, step)
            return self._value(place, kind_of(step.action), entry.result)
        if entry is not None and entry.state == "failed":
            if entry.unknown:
                self._undoable(place, step, entry)
            raise self._failure(entry, declared)
        if self.journal.backward:
            if entry is not None and isinstance(step.action, Remote):
                self._undoable(place, step, entry)
            raise Unwound
        if entry is not None and entry.due is not None and entry.due > self.journal.now():
            raise Suspended(entry.due)
        return await self._do(place, step)

    async def _wait(self, place: Place, event: type[Event], timeout: float | None) -> Any:
        entry = self._at(place)
        if entry is not None and entry.state != "trying":
            if entry.state == "failed":
                raise self._failure(entry, {})
            return self._value(place, event, entry.result)
        if self.journal.backward:
            raise Unwound
        found = next((one for one in self.journal.events if one.subject == event.subject_), None)
        if found is not None:
            self.journal.events.remove(found)
            async with self.attempts.transaction() as work:
                crash_point("before-take")
                await self.journal.take(work, place, found)
            return self._value(place, event, found.data)
        due = await self._until(place, entry, timeout)
        if due is None or due > self.journal.now():
            raise Suspended(due)
        problem = problem_text(TimedOut(f"no {event.subject_} came within {timeout:g} s"))
        version = await self.attempts.failed(place, problem, unknown=False, undisturbed=True)
        raise self._raised(problem, {}, version)

    async def _timer(self, place: Place, delay: float) -> None:
        entry = self._at(place)
        if entry is not None and entry.state in _SETTLED:
            return
        if self.journal.backward:
            raise Unwound
        due = await self._until(place, entry, delay)
        if due is None or due > self.journal.now():
            raise Suspended(due)
        async with self.attempts.transaction() as work:
            await self.journal.done(work, place, None)

    async def _do(self, place: Place, step: Step[Any]) -> Any:
        patience = self._definition.patience if step.patience is None else step.patience
        declared = declared_errors(step.action, self._definition.errors)
        remote = isinstance(step.action, Remote)
        try:
            result = await self.attempts.run(place, step.action)
        except Error as error:
            if is_refusal(error):
                raise await self._refused(place, error, declared) from error
            fate = await self.attempts.later(place, step.action, error, patience)
            if isinstance(fate, Stuck):
                raise await self._gave_up(place, step, fate, unknown=remote) from error
            raise fate from error
        except Exception as defect:
            raise await self.attempts.later(place, step.action, defect, patience) from defect
        crash_point("after-journal")
        self._undoable(place, step)
        return self._value(place, kind_of(step.action), result)

    async def _refused(self, place: Place, error: Error, declared: Any) -> Error:
        problem = problem_text(error)
        return self._raised(problem, declared, await self.attempts.failed(place, problem, unknown=False))

    async def _gave_up(self, place: Place, step: Step[Any], fate: Stuck, *, unknown: bool) -> Error:
        problem = problem_text(GaveUp(fate.trouble))
        if unknown:
            self._undoable(place, step)
        return self._raised(problem, {}, await self.attempts.failed(place, problem, unknown=unknown))

    async def _until(self, place: Place, entry: Entry | None, seconds: float | None) -> datetime | None:
        if entry is not None:
            return entry.due
        async with self.attempts.transaction() as work:
            return await self.journal.wait(work, place, seconds)

    def _at(self, place: Place) -> Entry | None:
        self._name(place.name)
        self._visited.add(place.position)
        entry = self._placed.get(place.position)
        if entry is None:
            if place.name in self.journal.entries:
                at = _shown(self.journal.entries[place.name].position)
                raise Changed(f"{place.name!r} stands at {at} of it, and at {_shown(place.position)} of the code")
            return None
        if (entry.name, entry.kind) != (place.name, place.kind):
            raise Changed(
                f"at {_shown(place.position)} it holds {entry.kind} {entry.name!r}, and the code asks for "
                f"{place.kind} {place.name!r}"
            )
        return entry

    def _name(self, name: str) -> None:
        if not name or len(name) > 200 or name.startswith("undo "):
            raise Stuck("", f"{name!r} cannot be a step's name: 1 to 200 characters that don't begin with 'undo '")
        if name in self._names:
            raise Stuck("", f"two steps are named {name!r}; give each a name of its own, such as f'{name} {{number}}'")
        self._names.add(name)

    def _undoable(self, place: Place, step: Step[Any], entry: Entry | None = None) -> None:
        if step.compensation is None:
            return
        not_before = None
        if entry is not None and isinstance(step.action, Remote):
            not_before = when(entry.tried_at, step.action.target().deadline)
        self.undos[place.position] = Undo(place.position, place.name, step.compensation, not_before)

    def _value(self, place: Place, kind: Any, text: str | None) -> Any:
        try:
            return read(kind, text)
        except (Invalid, BadRequest) as error:
            raise Changed(f"the result of {place.name!r} is no {kind} any more: {one_line(error)}") from error

    def _failure(self, entry: Entry, declared: Any) -> Error:
        return self._raised(entry.error or "{}", declared, entry.ended_version)

    def _raised(self, problem: str, declared: Any, version: int) -> Error:
        error = error_of(problem, declared)
        self._order[error] = version
        return error


def _shown(position: Position) -> str:
    return "position " + ".".join(map(str, position))
