"""Overload: a leaf gets three times what it can do. How much it still answers, how fast, and how soon it is well again.

    python -m tests.faults.resilience.overload [cpu|pool] [--seconds 8] [--assert]

``cpu``: each request takes 5 ms of processor. ``pool``: each holds one of 10 places for 50 ms, and the operation declares
``adaptive``. Peak is the best goodput of rising loads; normal is the latency at 80 % of it.
"""

from __future__ import annotations

import argparse
import random
from dataclasses import dataclass

import uvloop
from tests.faults.resilience.load import Outcomes, offer, seeded
from tests.faults.resilience.nodes import Behaviour, Fourth, Look
from tests.faults.resilience.running import nodes

from atoll.contracts.policies import CallPolicy, ClientPolicy, RetryPolicy
from atoll.service import Resilience

KINDS = {"cpu": Behaviour(burn=0.005), "pool": Behaviour(wait=0.05, places=10)}
ENVIRONMENT = {"cpu": {}, "pool": {"ATOLL_RESILIENCE_OPERATION__LOOK__ADAPTIVE": "on"}}
RISING = (0.7, 0.85, 1.0, 1.1)  # of the capacity that is reckoned from the behaviour
TARGET_GOODPUT, TARGET_SLOWER, TARGET_RECOVERY = 0.8, 2.0, 10.0
ONSET = 1.0  # seconds of overload before it counts: half a second of it is not yet told from a burst
# The caller does not repeat what is refused: that would be more load than is said to be offered.
ONCE = Resilience(client=ClientPolicy(in_flight=10_000), calls={Fourth.look: CallPolicy(retry=RetryPolicy(attempts=1))})


@dataclass
class Measured:
    peak: float
    normal: Outcomes
    over: Outcomes
    recovered: float

    @property
    def goodput(self) -> float:
        """Under overload, as a share of the peak."""
        return self.over.goodput / self.peak

    @property
    def slower(self) -> float:
        """The accepted ones' p99 under overload, as a multiple of the normal one."""
        return self.over.quantile(0.99) / self.normal.quantile(0.99)

    def __str__(self) -> str:
        return (
            f"peak {self.peak:.0f}/s; at 3x: goodput {self.goodput:.0%} of peak (target {TARGET_GOODPUT:.0%}),"
            f" accepted p99 {self.slower:.2f} x normal (target {TARGET_SLOWER:g}), normal again after"
            f" {self.recovered:.1f} s (target {TARGET_RECOVERY:g})"
        )


async def measure(kind: str, seconds: float, chance: random.Random) -> Measured:
    """Rising loads, 80 % of the peak, three times the peak, and 80 % again until it is as fast as before."""
    capacity = 1 / KINDS[kind].burn if KINDS[kind].burn else KINDS[kind].places / KINDS[kind].wait
    async with nodes("fourth", environment=ENVIRONMENT[kind]) as running:
        await running.tell("fourth", KINDS[kind])
        leaf = await running.client(Fourth, ONCE)

        async def at(rate: float, lasting: float, onset: float = 0.0) -> Outcomes:
            found = await offer(lambda: leaf.look(Look()), rate=rate, seconds=lasting, chance=chance, onset=onset)
            print(f"  {kind} {found}", flush=True)
            return found

        await at(capacity * 0.5, 2.0)
        peak = max([(await at(capacity * share, seconds / 2)).goodput for share in RISING])
        normal = await at(peak * 0.8, seconds)
        over = await at(peak * 3, seconds, onset=ONSET)
        recovered = 0.0
        while recovered < 2 * TARGET_RECOVERY:
            after = await at(peak * 0.8, 1.0)
            if not after.failed and after.quantile(0.5) <= 2 * normal.quantile(0.5):
                break
            recovered += 1.0
        return Measured(peak, normal, over, recovered)


async def main(kinds: list[str], seconds: float, strict: bool) -> None:
    for kind in kinds:
        found = await measure(kind, seconds, seeded())
        print(f"{kind}: {found}")
        if strict:
            assert found.goodput >= TARGET_GOODPUT
            assert found.slower <= TARGET_SLOWER
            assert found.recovered <= TARGET_RECOVERY


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("kinds", nargs="*", default=[*KINDS])
    parser.add_argument("--seconds", type=float, default=8.0)
    parser.add_argument("--assert", dest="strict", action="store_true")
    given = parser.parse_args()
    uvloop.run(main(given.kinds, given.seconds, given.strict))
