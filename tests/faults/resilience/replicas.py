"""One replica of four is ten times as slow: how much of the traffic it gets; then it hangs, and calls to it are hedged.

python -m tests.faults.resilience.replicas [--seconds 20] [--rate 100] [--assert]
"""

from __future__ import annotations

import argparse
import asyncio
import random
from dataclasses import dataclass

import uvloop
from tests.faults.resilience.load import Outcomes, offer, seeded
from tests.faults.resilience.nodes import Behaviour, Fourth, Look, Tally
from tests.faults.resilience.running import Nodes, nodes

from atoll.contracts.policies import BreakerPolicy, CallPolicy, ClientPolicy, HedgePolicy, RetryPolicy
from atoll.resilience import Hedged, Record
from atoll.service import Resilience

REPLICAS = 4
FAST = 0.01  # seconds
MOST = 0.1  # of the traffic
ATTEMPT = 0.5  # seconds: then the loser's work ends, too
HEDGE = HedgePolicy()
HEDGED = Resilience(
    client=ClientPolicy(breaker=BreakerPolicy(in_a_row=10**9, at_least=10**9)),  # hedging alone has to do it
    calls={Fourth.look: CallPolicy(attempt=ATTEMPT, hedge=HEDGE, retry=RetryPolicy(attempts=1))},
)


@dataclass
class Share:
    asked: list[int]

    @property
    def slow(self) -> float:
        """The slow one's share."""
        return self.asked[0] / sum(self.asked)

    def __str__(self) -> str:
        calls = sum(self.asked)
        return (
            f"one of {REPLICAS} at 10x latency gets {self.slow:.1%} of {calls} calls (at most {MOST:.0%}): {self.asked}"
        )


@dataclass
class Hedging:
    """calls, hedges: with those before one hung. asked: since then. lost: calls that the hanging one began; given_up: of
    those, ended before they were done."""

    found: Outcomes
    calls: int
    hedges: int
    asked: int
    lost: int
    given_up: int

    @property
    def most(self) -> float:
        """Extra calls that the budget allows; what the first calls saved may be spent later."""
        return HEDGE.share * self.calls

    def __str__(self) -> str:
        return (
            f"{self.calls} calls, {self.hedges} hedged (at most {self.most:.0f}), the replicas saw {self.asked};"
            f" p99 {self.found.quantile(0.99) * 1e3:.0f} ms, failed {sum(self.found.failed.values())};"
            f" the hanging one began {self.lost} and gave up {self.given_up}"
        )


async def share(rate: float, seconds: float, chance: random.Random) -> Share:
    async with nodes("fourth", instances=REPLICAS) as running:
        await _told(running, 10 * FAST)
        leaf = await running.client(Fourth)
        await offer(lambda: leaf.look(Look()), rate=rate, seconds=seconds, chance=chance)
        return Share([tally.asked for tally in await _tallies(running)])


async def hedging(rate: float, seconds: float, chance: random.Random) -> Hedging:
    async with nodes("fourth", instances=REPLICAS) as running:
        await _told(running, FAST)
        hedges = 0

        def count(record: Record) -> None:
            nonlocal hedges
            hedges += isinstance(record, Hedged)

        leaf = await running.client(Fourth, HEDGED, count)
        before = await offer(lambda: leaf.look(Look()), rate=rate, seconds=2, chance=chance)
        await _told(running, 60.0)
        found = await offer(lambda: leaf.look(Look()), rate=rate, seconds=seconds, chance=chance)
        async with asyncio.timeout(10):
            while (hanging := (await _tallies(running))[0]).asked != hanging.ended:
                await asyncio.sleep(0.01)
        asked = sum(tally.asked for tally in await _tallies(running))
        calls = before.offered + found.offered
        return Hedging(found, calls, hedges, asked, hanging.asked, hanging.given_up)


async def _told(running: Nodes, slow: float) -> None:
    for instance in range(REPLICAS):
        await running.tell("fourth", Behaviour(wait=FAST if instance else slow), instance=instance)


async def _tallies(running: Nodes) -> list[Tally]:
    return [await running.tally("fourth", instance=instance) for instance in range(REPLICAS)]


async def main(rate: float, seconds: float, strict: bool) -> None:
    chance = seeded()
    shared = await share(rate, seconds, chance)
    print(shared)
    hedged = await hedging(rate, seconds, chance)
    print(hedged)
    if strict:
        assert shared.slow <= MOST
        assert hedged.hedges <= hedged.most + 1
        assert hedged.lost == hedged.given_up


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--assert", dest="strict", action="store_true")
    given = parser.parse_args()
    uvloop.run(main(given.rate, given.seconds, given.strict))
