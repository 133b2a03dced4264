"""The breaker's probe: 1,000 calls at once after each break, and a probe that is cancelled.

python -m tests.faults.resilience.probes [--rounds 5] [--assert]
"""

from __future__ import annotations

import argparse
import asyncio
import time
from contextlib import suppress
from dataclasses import dataclass, field

import uvloop
from tests.faults.resilience.load import at_once
from tests.faults.resilience.nodes import Behaviour, Fourth, Look
from tests.faults.resilience.running import Nodes, nodes

from atoll.contracts.errors import Error
from atoll.contracts.policies import BreakerPolicy, CallPolicy, ClientPolicy, RetryPolicy
from atoll.resilience import BreakerClosed, BreakerOpened, Record
from atoll.service import Resilience

CALLS = 1000
PROBE = 0.3  # seconds that a probe takes
BREAK = BreakerPolicy(shortest=0.5, longest=1.0)
POLICY = Resilience(
    client=ClientPolicy(in_flight=10_000, breaker=BREAK), calls={Fourth.look: CallPolicy(retry=RetryPolicy(attempts=1))}
)
TICK = 0.005  # seconds: the event loop's timers may ring a little early
MARGIN = 0.2  # seconds for making a thousand calls and for the way there and back


@dataclass
class Breaks:
    """When the breaker opened, for how long, and when it closed."""

    ends: float = 0.0
    closed: float = 0.0
    opened: int = 0

    def note(self, record: Record) -> None:
        if isinstance(record, BreakerOpened):
            self.opened += 1
            self.ends = time.monotonic() + record.seconds
        elif isinstance(record, BreakerClosed):
            self.closed = time.monotonic()


@dataclass
class Measured:
    """probes: the most that the leaf saw at once, after each break. over: seconds from the end of the break to closed."""

    probes: list[int] = field(default_factory=list)
    over: list[float] = field(default_factory=list)
    stuck: int = 0

    def __str__(self) -> str:
        return (
            f"{CALLS} calls after each of {len(self.probes)} breaks: at most {max(self.probes)} at once at the leaf;"
            f" closed {max(self.over):.3f} s after the break at the latest (a probe takes {PROBE:g} s);"
            f" probes that stuck when they were cancelled: {self.stuck}"
        )


async def measure(rounds: int) -> Measured:
    """Each round: the leaf fails until the breaker opens, then it is well, but slow."""
    breaks, found = Breaks(), Measured()
    async with nodes("fourth") as running:
        leaf = await running.client(Fourth, POLICY, breaks.note)
        for _ in range(rounds):
            await _over(running, leaf, breaks)
            await at_once(lambda: leaf.look(Look()), CALLS)
            found.probes.append((await running.tally("fourth")).most)
            found.over.append(breaks.closed - breaks.ends)
        for _ in range(rounds):
            await _over(running, leaf, breaks)
            probe = asyncio.create_task(at_once(lambda: leaf.look(Look()), 1))
            while not (await running.tally("fourth")).asked:
                assert not probe.done(), "the probe was refused"
            probe.cancel()
            await asyncio.wait({probe})
            next_one = await at_once(lambda: leaf.look(Look()), 1)
            found.stuck += not next_one.seconds
    return found


async def _over(running: Nodes, leaf: Fourth, breaks: Breaks) -> None:
    """The breaker opens, and its break is over; nobody has called since."""
    await running.tell("fourth", Behaviour(status=500))
    before = breaks.opened
    while breaks.opened == before:
        with suppress(Error):
            await leaf.look(Look())
    await running.tell("fourth", Behaviour(wait=PROBE))
    await asyncio.sleep(breaks.ends - time.monotonic() + TICK)


async def main(rounds: int, strict: bool) -> None:
    found = await measure(rounds)
    print(found)
    if strict:
        assert max(found.probes) == 1
        assert found.stuck == 0
        assert max(found.over) <= PROBE + MARGIN


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--assert", dest="strict", action="store_true")
    given = parser.parse_args()
    uvloop.run(main(given.rounds, given.strict))
