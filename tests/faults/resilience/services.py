"""The four nodes as services: ``atoll serve tests.faults.resilience.services:first``; `State` is what they share."""

from __future__ import annotations

import asyncio
import os
import time
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.faults.resilience.nodes import Behaviour, First, Fourth, Look, Second, Seen, Tally, Third

from atoll.contracts import Internal, Unavailable
from atoll.service import Request, Service, implements

KEPT = 2000  # remaining times
OVERRUN = 0.05  # seconds
PLAIN = 0.01  # seconds that a plain request takes, as one with a query does

On = Callable[[Look], Awaitable[Seen]]


@dataclass
class Count:
    """What `Tally` reports, while it grows."""

    asked: int = 0
    answered: int = 0
    most: int = 0
    late: int = 0
    overran: int = 0
    given_up: int = 0
    ended: int = 0
    left_ms: deque[int] = field(default_factory=lambda: deque(maxlen=KEPT))


@dataclass
class State:
    """What one instance was told and has seen."""

    behaviour: Behaviour = field(default_factory=Behaviour)
    count: Count = field(default_factory=Count)
    under_way: int = 0
    places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(1))

    def told(self, behaviour: Behaviour) -> Tally:
        """What was seen until now; the count begins anew."""
        before, self.behaviour, self.count = self.seen(), behaviour, Count()
        self.places = asyncio.Semaphore(behaviour.places or 1)
        return before

    def seen(self) -> Tally:
        count = self.count
        return Tally(
            asked=count.asked,
            answered=count.answered,
            most=count.most,
            late=count.late,
            overran=count.overran,
            given_up=count.given_up,
            ended=count.ended,
            left_ms=list(count.left_ms),
        )

    async def look(self, look: Look, request: Request, following: On | None = None) -> Seen:
        """One request: misbehaves as told, and asks the next node if there are hops left."""
        async with self._counted(request):
            if look.plain:
                await asyncio.sleep(PLAIN)
            else:
                await self._misbehave()
                if look.hops and following is not None:
                    return await following(Look(hops=look.hops - 1))
            return Seen(by=os.environ.get("ATOLL_INSTANCE", ""))

    async def _misbehave(self) -> None:
        behaviour = self.behaviour
        if behaviour.burn:
            _burn(behaviour.burn)
        if behaviour.places:
            async with self.places:
                await asyncio.sleep(behaviour.wait)
        elif behaviour.wait:
            await asyncio.sleep(behaviour.wait)
        if behaviour.status == 503:
            raise Unavailable("told to be unavailable")
        if behaviour.status:
            raise Internal("told to fail")

    @asynccontextmanager
    async def _counted(self, request: Request) -> AsyncGenerator[None, None]:
        count = self.count
        left = request.deadline - time.monotonic()
        self.under_way += 1
        count.asked += 1
        count.most = max(count.most, self.under_way)
        count.late += left <= 0
        count.left_ms.append(int(left * 1000))
        try:
            yield
            count.answered += 1
        except asyncio.CancelledError:
            count.given_up += 1
            raise
        finally:
            self.under_way -= 1
            count.ended += 1
            count.overran += time.monotonic() > request.deadline + OVERRUN


def _burn(seconds: float) -> None:
    """Takes the processor: real work, not a pause, so that other processes lengthen it as they would any work."""
    end = time.thread_time() + seconds
    while time.thread_time() < end:
        sum(range(200))


def state() -> State:
    return State()


@implements(First.look)
async def first_look(look: Look, request: Request, state: State, following: Second) -> Seen:
    return await state.look(look, request, following.look)


@implements(Second.look)
async def second_look(look: Look, request: Request, state: State, following: Third) -> Seen:
    return await state.look(look, request, following.look)


@implements(Third.look)
async def third_look(look: Look, request: Request, state: State, following: Fourth) -> Seen:
    return await state.look(look, request, following.look)


@implements(Fourth.look)
async def fourth_look(look: Look, request: Request, state: State) -> Seen:
    return await state.look(look, request)


@implements(First.tell)
async def first_tell(behaviour: Behaviour, state: State) -> Tally:
    return state.told(behaviour)


@implements(Second.tell)
async def second_tell(behaviour: Behaviour, state: State) -> Tally:
    return state.told(behaviour)


@implements(Third.tell)
async def third_tell(behaviour: Behaviour, state: State) -> Tally:
    return state.told(behaviour)


@implements(Fourth.tell)
async def fourth_tell(behaviour: Behaviour, state: State) -> Tally:
    return state.told(behaviour)


@implements(First.tally)
async def first_tally(state: State) -> Tally:
    return state.seen()


@implements(Second.tally)
async def second_tally(state: State) -> Tally:
    return state.seen()


@implements(Third.tally)
async def third_tally(state: State) -> Tally:
    return state.seen()


@implements(Fourth.tally)
async def fourth_tally(state: State) -> Tally:
    return state.seen()


first = Service("first", handlers=[first_look, first_tell, first_tally], provides=[state], calls=[Second])
second = Service("second", handlers=[second_look, second_tell, second_tally], provides=[state], calls=[Third])
third = Service("third", handlers=[third_look, third_tell, third_tally], provides=[state], calls=[Fourth])
fourth = Service("fourth", handlers=[fourth_look, fourth_tell, fourth_tally], provides=[state])
