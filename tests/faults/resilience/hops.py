"""A deadline of 300 ms through four hops: how much time each one is left with, and whether any begins after it is over.

python -m tests.faults.resilience.hops [--calls 100] [--assert]
"""

from __future__ import annotations

import argparse
import asyncio
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import pairwise

import uvloop
from tests.faults.resilience.load import seeded
from tests.faults.resilience.nodes import Behaviour, First, Look, Tally
from tests.faults.resilience.running import NAMES, Nodes, nodes

from atoll.contracts import DeadlineExceeded
from atoll.contracts.policies import CallPolicy
from atoll.service import Resilience

DEADLINE = 0.3  # seconds
FASTEST, SLOWEST = 0.01, 0.12  # seconds of each hop: four of them fit, or don't


@dataclass
class Measured:
    """left: milliseconds that each hop was left with, by call. late: began after the deadline. on: went on after it."""

    left: list[list[int]] = field(default_factory=list)
    late: int = 0
    on: int = 0
    answered: int = 0

    @property
    def rising(self) -> list[list[int]]:
        """The calls whose remaining time did not strictly fall."""
        return [left for left in self.left if any(after >= before for before, after in pairwise(left))]

    def __str__(self) -> str:
        reached = [sum(len(left) > hop for left in self.left) for hop in range(len(NAMES))]
        return (
            f"{len(self.left)} calls, {self.answered} answered; hops reached by {reached}; began after the deadline: {self.late};"
            f" went on after it: {self.on}; remaining time did not fall: {len(self.rising)};"
            f" one of them: {max(self.left, key=len)} ms"
        )


async def measure(calls: int, seed: int | None = None) -> Measured:
    """One call after the other, each with another pace."""
    chance, found = seeded(seed), Measured()
    async with nodes(*NAMES) as running:
        first = await running.client(First, Resilience(calls={First.look: CallPolicy(deadline=DEADLINE)}))
        for _ in range(calls):
            pace = Behaviour(wait=chance.uniform(FASTEST, SLOWEST))
            for name in NAMES:
                await running.tell(name, pace)
            with suppress(DeadlineExceeded):
                await first.look(Look(hops=3))
                found.answered += 1
            _note(found, await _ended(running))
    return found


async def _ended(running: Nodes) -> list[Tally]:
    """What each hop has seen, when all that began has ended."""
    async with asyncio.timeout(10):
        while True:
            tallies = [await running.tally(name) for name in NAMES]
            if all(tally.asked == tally.ended for tally in tallies):
                return tallies


def _note(found: Measured, tallies: list[Tally]) -> None:
    found.left.append([tally.left_ms[0] for tally in tallies if tally.asked])
    found.late += sum(tally.late for tally in tallies)
    found.on += sum(tally.overran for tally in tallies)


async def main(calls: int, strict: bool) -> None:
    found = await measure(calls)
    print(found)
    if strict:
        assert (found.late, found.on, found.rising) == (0, 0, [])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--assert", dest="strict", action="store_true")
    given = parser.parse_args()
    uvloop.run(main(given.calls, given.strict))
