"""A dependency that hangs: what it does to operations that don't use it, and whether anybody waits past a deadline.

    python -m tests.faults.resilience.hung [--rounds 5] [--seconds 5] [--assert]

The same load with the dependency well and hung, in turn: half of the calls use it, half don't.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import random
from dataclasses import dataclass, field

import uvloop
from tests.faults.resilience.load import Outcomes, offer, seeded
from tests.faults.resilience.nodes import Behaviour, First, Look
from tests.faults.resilience.running import Nodes, nodes

from atoll.contracts.policies import CallPolicy
from atoll.service import Resilience

DEADLINE = 0.5  # seconds
HANGS = 60.0
OVERRUN, MOVED = 0.05, 0.1


@dataclass
class Measured:
    """well, hung: what does not use the dependency, of all rounds. overrun: seconds past the deadline, the most."""

    well: Outcomes = field(default_factory=Outcomes)
    hung: Outcomes = field(default_factory=Outcomes)
    overrun: float = 0.0
    harmed: int = 0
    failed: int = 0

    @property
    def moved(self) -> float:
        """By what share the p99 moved."""
        return self.hung.quantile(0.99) / self.well.quantile(0.99) - 1

    def __str__(self) -> str:
        well, hung = self.well.quantile(0.99) * 1e3, self.hung.quantile(0.99) * 1e3
        return (
            f"p99 of the others {well:.1f} -> {hung:.1f} ms ({self.moved:+.0%}, at most {MOVED:+.0%}), {self.harmed} of them"
            f" failed; {self.failed} calls failed that use it, at most {max(0.0, self.overrun) * 1e3:.0f} ms past their"
            f" deadline (at most {OVERRUN * 1e3:.0f})"
        )


async def measure(rounds: int, seconds: float, rate: float, chance: random.Random) -> Measured:
    found = Measured()
    gc.collect()
    gc.freeze()  # as a service does; the pauses of this process are not the subject
    async with nodes("first", "second") as running:
        first = await running.client(First, Resilience(calls={First.look: CallPolicy(deadline=DEADLINE)}))
        await _both(first, 1.0, rate, chance)
        for _ in range(rounds):
            others, _ = await _both(first, seconds, rate, chance)
            found.well.seconds += others.seconds
            await _hang(running, HANGS)
            others, users = await _both(first, seconds, rate, chance)
            await _hang(running, 0.0)
            found.hung.seconds += others.seconds
            found.harmed += sum(others.failed.values())
            found.failed += sum(users.failed.values())
            found.overrun = max([found.overrun, *(spent - DEADLINE for spent in users.failed_seconds)])
            await _well(first)
    return found


async def _both(first: First, seconds: float, rate: float, chance: random.Random) -> tuple[Outcomes, Outcomes]:
    """The outcomes of those that don't use the dependency, and of those that do."""
    others, users = await asyncio.gather(
        offer(lambda: first.look(Look(plain=True)), rate=rate, seconds=seconds, chance=chance),
        offer(lambda: first.look(Look(hops=1)), rate=rate, seconds=seconds, chance=chance),
    )
    return others, users


async def _hang(running: Nodes, seconds: float) -> None:
    await running.tell("second", Behaviour(wait=seconds))


async def _well(first: First) -> None:
    """Until the breaker between the two lets calls through again."""
    async with asyncio.timeout(30):
        while (await offer(lambda: first.look(Look(hops=1)), rate=20, seconds=0.2, chance=random.Random(1))).failed:
            pass


async def main(rounds: int, seconds: float, strict: bool) -> None:
    found = await measure(rounds, seconds, 100, seeded())
    print(found)
    if strict:
        assert found.moved <= MOVED
        assert found.overrun <= OVERRUN
        assert found.harmed == 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=5)
    parser.add_argument("--assert", dest="strict", action="store_true")
    given = parser.parse_args()
    uvloop.run(main(given.rounds, given.seconds, given.strict))
