"""Retry storm: three layers deep, and the leaf fails whatever it is asked. How much of the load it sees is repeats.

    python -m tests.faults.resilience.storm [--rate 100] [--seconds 15] [--assert]

First with breakers that never open, so that nothing but the retry budgets holds; then with the default ones.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Mapping
from dataclasses import dataclass

import uvloop
from tests.faults.resilience.load import offer, seeded
from tests.faults.resilience.nodes import Behaviour, First, Look
from tests.faults.resilience.running import nodes

from atoll.contracts.policies import BreakerPolicy, BudgetPolicy, ClientPolicy
from atoll.service import Resilience

NEVER = 10**9
WITHOUT_BREAKERS = {
    "ATOLL_RESILIENCE_CLIENT__BREAKER__IN_A_ROW": str(NEVER),
    "ATOLL_RESILIENCE_CLIENT__BREAKER__AT_LEAST": str(NEVER),
}
BUDGET = BudgetPolicy()


@dataclass
class Measured:
    """asked: what each layer saw, the leaf last."""

    offered: int
    seconds: float
    asked: list[int]

    @property
    def most(self) -> float:
        """What the leaf may see: 1.2 times the offered load, and 10 a second (the first ten at once)."""
        return self.offered * (1 + BUDGET.share) + BUDGET.per_second * (self.seconds + 1)

    def __str__(self) -> str:
        share = self.asked[-1] / self.offered
        most = self.most / self.offered
        return f"offered {self.offered}, layers saw {self.asked}: the leaf {share:.2f} x (at most {most:.2f} x)"


async def measure(rate: float, seconds: float, chance: random.Random, *, breakers: bool) -> Measured:
    """The leaf answers 503 to everything, for all the time."""
    environment: Mapping[str, str] = {} if breakers else WITHOUT_BREAKERS
    policy = BreakerPolicy() if breakers else BreakerPolicy(in_a_row=NEVER, at_least=NEVER)
    async with nodes("first", "second", "third", environment=environment) as running:
        await running.tell("third", Behaviour(status=503))
        first = await running.client(First, Resilience(client=ClientPolicy(breaker=policy)))
        found = await offer(lambda: first.look(Look(hops=2)), rate=rate, seconds=seconds, chance=chance)
        assert not found.seconds, "the leaf is down, and yet somebody got a reply"
        tallies = [await running.tally(name) for name in ("first", "second", "third")]
        return Measured(found.offered, seconds, [tally.asked for tally in tallies])


async def main(rate: float, seconds: float, strict: bool) -> None:
    chance = seeded()
    for breakers in (False, True):
        found = await measure(rate, seconds, chance, breakers=breakers)
        print(f"{'with' if breakers else 'without'} breakers: {found}")
        if strict:
            assert found.asked[-1] <= found.most


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rate", type=float, default=100)
    parser.add_argument("--seconds", type=float, default=15)
    parser.add_argument("--assert", dest="strict", action="store_true")
    given = parser.parse_args()
    uvloop.run(main(given.rate, given.seconds, given.strict))
