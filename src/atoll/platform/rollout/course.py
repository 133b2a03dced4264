"""The course of one rollout: forward step by step, or back to the stable release; each act is journaled before it is done."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from atoll.platform.rollout.clock import Clock
from atoll.platform.rollout.elsewhere import Elsewhere
from atoll.platform.rollout.fleet import Fleet
from atoll.platform.rollout.journal import Journal
from atoll.platform.rollout.plan import needed
from atoll.platform.rollout.records import Entry, Phase, Rollout
from atoll.platform.rollout.watching import Watcher, look_within
from atoll.platform.rollout.wishes import Wishes
from atoll.system import Trouble

ALL = 100  # percent
ATTEMPTS = 5  # of what must be done but need not be done at once
FIRST_PAUSE = 0.2  # seconds between attempts; doubles
LONGEST_PAUSE = 5.0


@dataclass(frozen=True, slots=True)
class Engine:
    """What a course works with."""

    fleet: Fleet
    journal: Journal
    clock: Clock


class _Back(Exception):
    """The way forward is closed; the text says why."""


class Course:
    """Walks one rollout to its end: `run` returns when the service is at 100 % of one release. told: after each change."""

    def __init__(
        self, rollout: Rollout, engine: Engine, wishes: Wishes, told: Callable[[], None],
        checks: Sequence[Callable[..., object]] = (), neighbours: Sequence[str] = (),
    ) -> None:  # fmt: skip
        self.rollout = rollout
        self.wishes = wishes
        self._fleet, self._journal, self._clock = engine.fleet, engine.journal, engine.clock
        self._told = told
        self._began = engine.clock.now() - max(0.0, engine.clock.date() - rollout.began)
        elsewhere = Elsewhere(engine.fleet, neighbours, look_within(rollout.plan.interval))
        self._watcher = Watcher(
            rollout, engine.fleet, engine.clock, self._began, wishes, elsewhere, self._changed, tuple(checks)
        )

    async def run(self) -> None:
        """From wherever the journal says. Cancelled, it leaves everything as it is, to be run again."""
        if self.rollout.wish:
            self.wishes.wake()
        try:
            if self.rollout.phase != "going back":
                await self._forward()
        except Exception as error:
            why = str(error) if isinstance(error, (_Back, Trouble)) else f"{type(error).__name__}: {error}"
            self.rollout.reason = why
            if self._last_text() != why:
                self._note("go back", why)
            await self._back()
        else:
            if self.rollout.phase == "going back":
                await self._back()

    # ---- forward

    async def _forward(self) -> None:
        if self.rollout.phase not in {"settling", "warm", "retiring"}:
            await self._prepare()
            await self._steps()
            await self._settle()
        elif self.rollout.phase == "settling":
            await self._settle()
        if self.rollout.phase == "warm":
            await self._warm()
        await self._retire()

    async def _prepare(self) -> None:
        """Instances that are ready and well, without traffic."""
        rollout, plan = self.rollout, self.rollout.plan
        count = self._needed(plan.steps[min(rollout.step, len(plan.steps) - 1)])
        self._enter("launching", f"{count} instance{'' if count == 1 else 's'} of {rollout.release}", share=0)
        await self._try(self._fleet.weigh(rollout.service, {rollout.stable: 100}))
        await self._try(self._fleet.launch(rollout.service, rollout.release, count), within=plan.ready_within)
        self._enter("smoking", "its health and its documents")
        if wrong := await self._try(self._fleet.smoke(rollout.service, rollout.release), within=plan.ready_within):
            raise _Back(f"smoke check: {'; '.join(wrong)}")
        if plan.shadow:
            await self._shadow()

    async def _shadow(self) -> None:
        rollout, plan = self.rollout, self.rollout.plan
        self._enter("shadowing", f"{plan.shadow} % of the safe requests are copied to it")
        await self._try(self._fleet.shadow(rollout.service, rollout.release, plan.shadow))
        outcome = await self._watcher.step()
        await self._try(self._fleet.shadow(rollout.service, rollout.release, 0))
        if outcome == "failed":
            raise _Back(self._last_text())
        self._heed()

    async def _steps(self) -> None:
        plan = self.rollout.plan
        while self.rollout.step < len(plan.steps) and not self.wishes.promoted:
            await self._hold()
            await self._step(plan.steps[self.rollout.step])
            if not self.wishes.promoted:
                self.rollout.step += 1
        if self.rollout.share != 100:
            await self._give(100)

    async def _hold(self) -> None:
        """While paused, nothing more is given to it."""
        while self.rollout.paused and not self.wishes.urgent:
            self.wishes.heard()
            await self._clock.wait(self.wishes.changed, LONGEST_PAUSE)
        self._heed()

    async def _step(self, share: int) -> None:
        if self.wishes.promoted:
            return
        if share == 100 and self._watcher.baseline is None and self.rollout.plan.compare:
            self._enter("comparing", "what the stable release does, to compare with")
            await self._watcher.compare()
            await self._hold()
            if self.wishes.promoted:
                return
        await self._give(share)
        if self.rollout.plan.interval and await self._watcher.step() == "failed":
            raise _Back(self._last_text())
        self._heed()

    async def _give(self, share: int) -> None:
        """So much of the traffic, on so many instances."""
        rollout = self.rollout
        self._enter("stepping", f"{share} % of the traffic", share=share)
        count = self._needed(share)
        if count > self._fleet.running(rollout.service).get(rollout.release, 0):
            await self._try(
                self._fleet.launch(rollout.service, rollout.release, count), within=rollout.plan.ready_within
            )
        shares = {rollout.release: share, rollout.stable: 100 - share}
        given = {name: part for name, part in shares.items() if part}
        await self._try(self._fleet.weigh(rollout.service, given, consumers=rollout.plan.consumers))

    def _needed(self, share: int) -> int:
        """How many instances carry that share, of as many as are wanted at this moment: people scale meanwhile."""
        return needed(self._fleet.desired(self.rollout.service), share)

    async def _settle(self) -> None:
        """The one act after which the new release is the stable one."""
        rollout = self.rollout
        self._enter("settling", f"{rollout.release} becomes the stable release", share=100)
        trouble = await self._insist(lambda: self._fleet.settle(rollout.service, rollout.release), ATTEMPTS)
        if trouble and self._fleet.stable(rollout.service) != rollout.release:
            raise _Back(trouble)
        if self.wishes.promoted:
            rollout.wish = ""
            self.wishes.heard()
        rollout.paused = False
        if rollout.plan.warm:
            self._enter_settled("warm", f"{rollout.stable} stays for {rollout.plan.warm:g} s, to go back to")

    async def _warm(self) -> None:
        """The old release stays, so that going back is the same switch. After a new start it is gone already."""
        rollout = self.rollout
        until = self._clock.now() + rollout.plan.warm
        while (
            self._clock.now() < until
            and not self.wishes.urgent
            and rollout.stable in self._fleet.running(rollout.service)
        ):
            self.wishes.heard()
            await self._clock.wait(self.wishes.changed, until - self._clock.now())
        self._heed()

    async def _retire(self) -> None:
        rollout = self.rollout
        self._enter_settled("retiring", f"the instances of {rollout.stable} drain and end")
        await self._insist(lambda: self._fleet.retire(rollout.service, rollout.stable), ATTEMPTS)
        rollout.reason = f"{rollout.release} has all of the traffic"
        await self._end("promoted")

    # ---- back

    async def _back(self) -> None:
        """To 100 % of the stable release. Nothing keeps it from going back, neither a full disk nor an engine in trouble."""
        rollout = self.rollout
        rollout.wish, rollout.paused = "", False
        self.wishes.changed.clear()
        self._enter_settled("going back", f"all of the traffic to {rollout.stable}")
        if not await self._stable_runs():
            rollout.share, rollout.reason = 100, f"{rollout.stable} does not start any more, so {rollout.release} stays"
            await self._end("promoted")
            return
        await self._insist(lambda: self._fleet.weigh(rollout.service, {rollout.stable: 100}))
        rollout.share = 0
        self._note("back", f"{rollout.stable} has all of the traffic")
        if self._fleet.stable(rollout.service) != rollout.stable:
            await self._insist(lambda: self._fleet.settle(rollout.service, rollout.stable))
        if rollout.plan.shadow:
            await self._insist(lambda: self._fleet.shadow(rollout.service, rollout.release, 0), ATTEMPTS)
        await self._insist(lambda: self._fleet.retire(rollout.service, rollout.release), ATTEMPTS)
        await self._end("rolled back")

    async def _stable_runs(self) -> bool:
        """It always does, unless the new release was settled and the system was started anew since."""
        rollout = self.rollout
        if rollout.stable in self._fleet.running(rollout.service):
            return True
        count = self._needed(ALL)
        trouble = await self._insist(lambda: self._fleet.launch(rollout.service, rollout.stable, count), ATTEMPTS)
        return not trouble or self._fleet.stable(rollout.service) == rollout.stable

    async def _end(self, phase: Phase) -> None:
        rollout = self.rollout
        rollout.phase, rollout.wish = phase, ""
        rollout.took = round(self._clock.now() - self._began, 3)
        self._note(phase, rollout.reason)
        await self._insist(self._save_later, ATTEMPTS)

    # ---- acts

    async def _try(self, act: Awaitable[object], within: float | None = None) -> tuple[str, ...]:
        """Do it, unless somebody aborts meanwhile, or it takes too long; what goes wrong leads back."""
        doing = asyncio.ensure_future(act)
        aborted = asyncio.ensure_future(self.wishes.aborted.wait())
        try:
            await asyncio.wait({doing, aborted}, timeout=within, return_when=asyncio.FIRST_COMPLETED)
            if doing.done():
                found = doing.result()
                return found if isinstance(found, tuple) else ()
            raise _Back("aborted" if aborted.done() else f"{self.rollout.release} is not ready after {within:g} s")
        except (Trouble, OSError) as trouble:
            raise _Back(str(trouble)) from None
        finally:
            doing.cancel()
            aborted.cancel()
            await asyncio.gather(doing, aborted, return_exceptions=True)

    async def _insist(self, act: Callable[[], Awaitable[object]], attempts: int = 0) -> str:
        """Again and again until it works, or ``attempts`` times; what went wrong the last time, empty if it worked."""
        pause, told, tried = FIRST_PAUSE, "", 0
        while True:
            tried += 1
            try:
                await act()
                return ""
            except Exception as error:
                trouble = str(error) if isinstance(error, Trouble) else f"{type(error).__name__}: {error}"
            if trouble != told:
                self._note("try again", trouble)
                told = trouble
            if attempts and tried >= attempts:
                return trouble
            await self._clock.wait(asyncio.Event(), pause)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _heed(self) -> None:
        """What a person asked for meanwhile."""
        if self.rollout.wish == "abort":
            raise _Back("rolled back by hand" if self.rollout.phase == "warm" else "aborted")

    # ---- telling

    def _enter(self, phase: Phase, text: str, share: int | None = None) -> None:
        """The journal first. If it cannot be written, nothing more is risked: back."""
        self._heed()
        try:
            self._set(phase, text, share)
            self._journal.save(self.rollout)
        except Trouble as trouble:
            raise _Back(str(trouble)) from None

    def _enter_settled(self, phase: Phase, text: str) -> None:
        """Where there is no way but on, a journal that cannot be written is a note."""
        self._set(phase, text, None)
        try:
            self._journal.save(self.rollout)
        except Trouble as trouble:
            self._note("note", str(trouble))

    async def _save_later(self) -> None:
        self._journal.save(self.rollout)

    def _set(self, phase: Phase, text: str, share: int | None) -> None:
        self.rollout.phase = phase
        if share is not None:
            self.rollout.share = share
        self._note("begin", text)

    def _note(self, decision: str, text: str) -> None:
        rollout = self.rollout
        at = round(self._clock.now() - self._began, 3)
        rollout.add(Entry(at, rollout.phase, rollout.share, decision, text))
        self._changed()

    def _changed(self) -> None:
        self.rollout.revision += 1
        self._told()

    def _last_text(self) -> str:
        return self.rollout.entries[-1].text if self.rollout.entries else ""
