"""All rollouts of a system: begun, asked for, resumed after a new start, and told about."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Protocol

from atoll.platform.rollout.clock import RealClock
from atoll.platform.rollout.course import Course, Engine
from atoll.platform.rollout.plan import Wanted, plan_back, plan_of, strategy_of
from atoll.platform.rollout.records import BY_HAND, Entry, Plan, Rollout
from atoll.platform.rollout.wishes import Wishes
from atoll.system import System, Trouble

PASSING = 30.0  # seconds between two looks at a phase that passes by itself


class Releases(Protocol):
    """What is on the shelf."""

    def resolve(self, service: str, release: str) -> str:
        """The whole id of what may be a prefix. Trouble if there is none, or more than one."""


class Gate(Protocol):
    """What must not be rolled out."""

    async def refusals(self, service: str, old: str, new: str) -> tuple[str, ...]:
        """Why the new release must not run beside the old one, one line each; empty: it may."""


class Rollouts:
    """One rollout a service at a time. changed: told of each change, with the rollout."""

    def __init__(
        self, system: System, engine: Engine, releases: Releases, gate: Gate,
        changed: Callable[[Rollout], None] = lambda _: None,
    ) -> None:  # fmt: skip
        self._system = system
        self._engine = engine
        self._releases = releases
        self._gate = gate
        self._changed = changed
        self._latest: dict[str, Rollout] = {}
        self._wishes: dict[str, Wishes] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}
        self._beginning: set[str] = set()
        self._wake = asyncio.Event()

    # ---- the course of a run

    def resume(self) -> tuple[str, ...]:
        """Go on with what an earlier supervisor left; one line for each, and for what cannot be read."""
        return tuple(line for service in self._engine.journal.services() for line in self._resume(service))

    def _resume(self, service: str) -> Iterator[str]:
        yield from self._engine.journal.damaged(service)
        try:
            rollout = self._engine.journal.latest(service)
        except Trouble as trouble:
            yield str(trouble)
            return
        if rollout is None:
            return
        if service in self._names():
            self._latest[service] = rollout
            yield from self._go_on(rollout)
        elif not rollout.over:
            yield (
                f"{service}: its rollout {rollout.number} is not over, and system.py has no such service; "
                f"put it back, or remove the journal of {service}"
            )

    def _go_on(self, rollout: Rollout) -> Iterator[str]:
        if rollout.over:
            return
        if why := _cannot_go_on(rollout, self._engine.fleet.stable(rollout.service)):
            yield f"{rollout.service}: the rollout of {rollout.release} is given up: {why}; deploy again"
            yield from self._give_up(rollout, why)
            return
        yield f"{rollout.service}: the rollout of {rollout.release} goes on ({rollout.phase})"
        self._start(rollout)

    def _give_up(self, rollout: Rollout, why: str) -> Iterator[str]:
        """Nothing of it runs, since the system has just started; so all that is left to do is to say so."""
        rollout.phase, rollout.share, rollout.wish, rollout.paused = "rolled back", 0, "", False
        rollout.reason = f"given up: {why}"
        rollout.revision += 1
        try:
            self._engine.journal.save(rollout)
        except Trouble as trouble:
            yield str(trouble)

    async def stop(self) -> None:
        """Leave all as it is; the journal knows where to go on."""
        tasks = list(self._tasks.values())
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()

    # ---- what people ask

    async def begin(self, service: str, release: str, wanted: Wanted | None = None) -> Rollout:
        """Start rolling out. Trouble, in one line, for what cannot be; the stable release is untouched then."""
        self._require(service)
        declared = self._system.service(service).rollout
        strategy = strategy_of(declared, wanted or Wanted())
        with self._alone(service):
            chosen, stable = self._releases.resolve(service, release), self._engine.fleet.stable(service)
            if chosen == stable:
                raise Trouble(f"{service} runs {chosen} already; there is nothing to roll out")
            if why := await self._gate.refusals(service, stable, chosen):
                raise Trouble(f"{service}: {chosen} is refused: {why[0]}", tuple(why[1:]))
            await self._end_warm(service, stable)
            return self._new(service, chosen, stable, plan_of(strategy, self._engine.fleet.desired(service)))

    def promote(self, service: str) -> Rollout:
        """All of the traffic, without further questions; but not before it is ready and has passed its smoke checks."""
        rollout = self._running(service)
        if _goes_back(rollout):
            raise Trouble(f"{service} is going back to {rollout.stable}; deploy again when it is there")
        return self._wish(rollout, wish="promote", paused=False, asked="promote")

    def pause(self, service: str) -> Rollout:
        """Stay at the present share; it is still watched, and goes back if it turns bad."""
        rollout = self._undecided(service)
        return self._wish(rollout, wish=rollout.wish, paused=True, asked="pause")

    def resume_paused(self, service: str) -> Rollout:
        """Go on."""
        rollout = self._undecided(service)
        if not rollout.paused:
            raise Trouble(f"the rollout of {service} is not paused")
        return self._wish(rollout, wish=rollout.wish, paused=False, asked="resume")

    def abort(self, service: str) -> Rollout:
        """Back to the stable release."""
        return self._wish(self._undecided(service), wish="abort", paused=False, asked="abort")

    async def rollback(self, service: str) -> Rollout:
        """Back to the release before: of a rollout that runs or whose old release is still warm, or by a switch of its own."""
        self._require(service)
        rollout = self._latest.get(service)
        while rollout is not None and rollout.phase in {"settling", "retiring"}:
            await self.after(service, rollout.revision, PASSING)  # a moment: the old instances drain
        if rollout is not None and not rollout.over:
            return self._wish(rollout, wish="abort", paused=False, asked="rollback")
        with self._alone(service):
            stable = self._engine.fleet.stable(service)
            return self._new(
                service, self._before(service, stable), stable, plan_back(self._engine.fleet.desired(service))
            )

    # ---- telling

    def latest(self) -> Mapping[str, Rollout]:
        """Each service's rollout that runs, or ran last."""
        return self._latest

    def history(self, service: str) -> tuple[Rollout, ...]:
        """All of a service's, newest first."""
        return tuple(self._newest_first(service))

    def find(self, service: str, name: str = "") -> Rollout:
        """The latest; or the one of that number, or the latest of that release. Trouble if there is none."""
        for rollout in self._newest_first(service):
            if not name or str(rollout.number) == name or (len(name) > 2 and rollout.release.startswith(name)):
                return rollout
        raise Trouble(f"{service} had no rollout{f' {name!r}' if name else ''}; see 'atoll rollouts {service}'")

    async def after(self, service: str, revision: int, seconds: float) -> Rollout:
        """The service's latest as soon as it is newer than ``revision``; after ``seconds`` as it is."""
        until = asyncio.get_running_loop().time() + seconds
        while True:
            rollout, left = self.find(service), until - asyncio.get_running_loop().time()
            if rollout.revision > revision or rollout.over or left <= 0:
                return rollout
            await RealClock().wait(self._wake, left)

    # ---- inside

    def _newest_first(self, service: str) -> Iterator[Rollout]:
        """The earlier ones are read from the disk, so only if the latest is not enough."""
        self._require(service)
        if (latest := self._latest.get(service)) is not None:
            yield latest
        yield from self._engine.journal.earlier(service)

    def _new(self, service: str, release: str, stable: str, plan: Plan) -> Rollout:
        number = max((one.number for one in islice(self._newest_first(service), 1)), default=0) + 1
        rollout = Rollout(number, service, release, stable, plan, round(self._engine.clock.date(), 3))
        self._engine.journal.save(rollout)
        self._latest[service] = rollout
        self._start(rollout)
        return rollout

    def _start(self, rollout: Rollout) -> None:
        wishes = self._wishes[rollout.service] = Wishes(rollout)
        declared = self._system.service(rollout.service)
        checks = declared.rollout.checks if declared.rollout is not None else ()
        neighbours = self._neighbours(rollout.service) if declared.events and rollout.plan.limits.samples else ()
        course = Course(rollout, self._engine, wishes, lambda: self._tell(rollout), checks, neighbours)
        self._tasks[rollout.service] = asyncio.create_task(course.run(), name=f"rollout of {rollout.service}")

    def _tell(self, rollout: Rollout) -> None:
        self._changed(rollout)
        self._wake.set()
        self._wake = asyncio.Event()

    def _wish(self, rollout: Rollout, *, wish: str, paused: bool, asked: str = "") -> Rollout:
        """Written down before it is heard, so that it outlives us. asked: the verb, if it was a person who asked."""
        before = rollout.wish, rollout.paused, rollout.entries
        rollout.wish, rollout.paused = wish, paused  # type: ignore[assignment]
        if asked:
            at = round(max(0.0, self._engine.clock.date() - rollout.began), 3)
            rollout.entries = [*rollout.entries, Entry(at, rollout.phase, rollout.share, BY_HAND, asked)]
        try:
            self._engine.journal.save(rollout)
        except Trouble:
            if wish != "abort":  # going back is done whatever the disk says
                rollout.wish, rollout.paused, rollout.entries = before
                raise
        rollout.revision += 1
        self._wishes[rollout.service].wake()
        self._tell(rollout)
        return rollout

    async def _end_warm(self, service: str, stable: str) -> None:
        """A release that is kept warm makes way for the next one. Trouble if somebody went back to it meanwhile."""
        self._require_free(service)
        await self._warm_ended(service)
        self._require_free(service)
        if self._engine.fleet.stable(service) != stable:
            raise Trouble(f"{service} went back to {self._engine.fleet.stable(service)} meanwhile; deploy again")

    async def _warm_ended(self, service: str) -> None:
        rollout = self._latest.get(service)
        if rollout is not None and rollout.phase in {"warm", "retiring"}:
            if rollout.phase == "warm":
                self._wish(rollout, wish="promote", paused=False)
            await asyncio.wait({self._tasks[service]})

    def _alone(self, service: str) -> _Alone:
        self._require_free(service)
        if service in self._beginning:
            raise Trouble(f"{service}: another rollout begins at this moment; look with 'atoll rollouts {service}'")
        return _Alone(self._beginning, service)

    def _require_free(self, service: str) -> None:
        """Trouble while a rollout has not ended; but one that only keeps, or ends, what was there before is in nobody's way."""
        rollout = self._latest.get(service)
        if rollout is None or rollout.over:
            return
        if _goes_back(rollout):
            raise Trouble(f"{service} goes back to {rollout.stable} already; wait for it")
        if rollout.phase not in {"warm", "retiring"}:
            raise Trouble(
                f"{service} rolls out {rollout.release} already; wait for it, or end it with 'atoll abort {service}'"
            )

    def _running(self, service: str) -> Rollout:
        self._require(service)
        rollout = self._latest.get(service)
        if rollout is None or rollout.over:
            raise Trouble(f"{service} has no rollout that runs; begin one with 'atoll deploy {service}'")
        return rollout

    def _undecided(self, service: str) -> Rollout:
        rollout = self._running(service)
        if rollout.phase in {"settling", "warm", "retiring"}:
            raise Trouble(f"{rollout.release} is the stable release already; go back with 'atoll rollback {service}'")
        if _goes_back(rollout):
            raise Trouble(f"{service} is going back to {rollout.stable} already")
        return rollout

    def _before(self, service: str, stable: str) -> str:
        """The release that had the traffic before the present one."""
        for rollout in self.history(service):
            if rollout.phase == "promoted" and rollout.release == stable:
                return self._releases.resolve(service, rollout.stable)
        raise Trouble(f"{service} has run nothing but {stable}, so there is no release to go back to")

    def _neighbours(self, service: str) -> Sequence[str]:
        return tuple(other.name for other in self._system.services if other.events and other.name != service)

    def _names(self) -> tuple[str, ...]:
        return tuple(service.name for service in self._system.services)

    def _require(self, service: str) -> None:
        if service not in self._names():
            raise Trouble(f"there is no service {service!r}; known are {', '.join(self._names()) or 'none'}")


def _goes_back(rollout: Rollout) -> bool:
    """Whether it does, or has been told to: what was acknowledged is not taken back."""
    return rollout.phase == "going back" or rollout.wish == "abort"


def _cannot_go_on(rollout: Rollout, stable: str) -> str:
    """Why it cannot be gone on with where that release is the stable one; empty: it can."""
    expected = {rollout.release} if rollout.phase in {"warm", "retiring"} else {rollout.release, rollout.stable}
    if stable in expected:
        return ""
    return f"it was between {rollout.stable} and {rollout.release}, and {stable} is the stable release now"


class _Alone:
    """While one rollout of a service is being begun, no other one is."""

    def __init__(self, beginning: set[str], service: str) -> None:
        self._beginning, self._service = beginning, service

    def __enter__(self) -> None:
        self._beginning.add(self._service)

    def __exit__(self, *_: object) -> None:
        self._beginning.discard(self._service)
