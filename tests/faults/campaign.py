"""The crash campaign: each service ends itself once at every labelled place while orders come in; then everything must add up.

A service that has ended is started again at once, and is to end at the next place; both services do so beside each other, so one
often dies while the other one is down or recovers. A few times on the way all comes to rest and is judged.

`python -m tests.faults.campaign --seeds 30` prints a line for each label; the seed decides amounts, the order of the labels,
which service is meant where both have a place, and the how many-th time it is.
"""

from __future__ import annotations

import argparse
import asyncio
import random
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from tests.faults.judging import Verdict, judge
from tests.faults.plant import DEAD, Plant

from atoll.crash import EXIT_CODE, LABELS
from atoll.data import migrate
from atoll.service import Service
from atoll.testing import NatsServer, PostgresServer

BOTH = (
    "before-commit", "after-commit", "before-publish", "after-publish", "before-mark", "after-mark", "before-inbox",
    "after-inbox", "after-handler", "before-acknowledge", "after-acknowledge",
)  # fmt: skip
PAYMENTS = ("before-park", "after-park", "before-parked-attempt", "before-bury", "during-redrive")
POISONED = frozenset(PAYMENTS)
ONCE = frozenset({"before-bury", "during-redrive", "before-exchange", "during-exchange"})  # too rare for a second time
REBUILDING = frozenset({"before-exchange", "during-exchange"})
OFTEN = 3  # the most times that a place is passed before the process ends there
LEGS = 4  # how often all comes to rest and is judged
WAVE = 4  # orders at once, when a service was started to end somewhere
MORE = 2  # orders at once, should the place not be reached yet
AGAIN_AFTER = 2.0  # seconds until they come
REACHED_WITHIN = 120.0  # seconds


class Ending(NamedTuple):
    """Where a service is to end: the ``nth`` time that it comes to ``label``."""

    label: str
    nth: int


Leg = dict[str, list[Ending]]  # for each service, one after the other


@dataclass(slots=True)
class Result:
    """What one seed came to. reached: each label, the service that ended there and the how many-th time it was."""

    seed: int
    reached: dict[str, str] = field(default_factory=dict)
    verdict: Verdict | None = None
    seconds: float = 0.0

    @property
    def missed(self) -> list[str]:
        """Labels at which nothing ended."""
        return [label for label in LABELS if label not in self.reached]


def plan(chance: random.Random) -> list[Leg]:
    """Every label once."""
    lists: dict[str, list[str]] = {"payments": list(PAYMENTS), "orders": []}
    lists["orders"] = [label for label in LABELS if label not in BOTH and label not in PAYMENTS]
    for label in chance.sample(BOTH, len(BOTH)):
        lists["payments" if len(lists["payments"]) < len(lists["orders"]) else "orders"].append(label)
    endings = {name: [_ending(label, chance) for label in chance.sample(one, len(one))] for name, one in lists.items()}
    return [{name: one[leg::LEGS] for name, one in endings.items()} for leg in range(LEGS)]


def _ending(label: str, chance: random.Random) -> Ending:
    return Ending(label, 1 if label in ONCE else chance.randint(1, OFTEN))


async def run_leg(plant: Plant, leg: Leg, result: Result) -> None:
    """All endings of both services, then rest."""
    async with asyncio.TaskGroup() as orders, asyncio.TaskGroup() as services:
        for name, endings in leg.items():
            services.create_task(_end_at_each(plant, name, endings, result, orders))
    await plant.ready()
    await plant.rest()


async def _end_at_each(
    plant: Plant, name: str, endings: list[Ending], result: Result, orders: asyncio.TaskGroup
) -> None:
    for label, nth in endings:
        plant.kill(name)
        plant.start(name, f"{label}:{nth}")
        if await _ends(plant, name, label, orders):
            result.reached[label] = f"{name}:{nth}"
    plant.kill(name)
    plant.start(name)


async def _ends(plant: Plant, name: str, label: str, orders: asyncio.TaskGroup) -> bool:
    """Whether the service ended at the label, for which orders come in."""
    poison, begun, waves = label in POISONED, time.monotonic(), 0
    while plant.ended(name) is None and time.monotonic() < begun + REACHED_WITHIN:
        if time.monotonic() >= begun + waves * AGAIN_AFTER:
            orders.create_task(plant.wave(MORE if waves else WAVE, poison=poison))
            waves += 1
        if label in REBUILDING:
            await plant.post(name, "/rebuild")
        if label == "during-redrive" and await plant.count(name, DEAD):
            await plant.post(name, "/redrive")
        await asyncio.sleep(0.02)
    code = plant.ended(name)
    assert code in (None, EXIT_CODE), f"{name}, on its way to {label}, {plant.last_words(name)}"
    return code == EXIT_CODE


async def run_seed(seed: int, postgres: PostgresServer, nats: NatsServer, template: str, folder: Path) -> Result:
    """All labels with one seed. AssertionError if anything is lost or twice."""
    chance, result, begun = random.Random(seed), Result(seed), time.monotonic()
    async with Plant(postgres, nats, template, folder, chance) as plant:
        for leg in plan(chance):
            await run_leg(plant, leg, result)
            result.verdict = await judge(plant)
    result.seconds = time.monotonic() - begun
    return result


def table(results: list[Result]) -> str:
    """A line for each label and one for each seed."""
    lines = [f"{'label':24} {'reached':>7}  by which service, the how many-th time"]
    for label in LABELS:
        found = [result.reached[label] for result in results if label in result.reached]
        lines.append(f"{label:24} {len(found):3}/{len(results):<3}  {' '.join(found[:8])}")
    hit, there = sum(len(result.reached) for result in results), len(LABELS) * len(results)
    lines.append(f"{hit} of {there} reached ({100 * hit // there} %)")
    lines.extend(_line(result.seed, result.verdict, result.seconds) for result in results if result.verdict)
    return "\n".join(lines)


def _line(seed: int, found: Verdict, seconds: float) -> str:
    return (
        f"seed {seed}: accepted {found.accepted} = confirmed {found.confirmed} + compensated {found.compensated}; "
        f"{found.effects} effects at the bank, asked {found.asked} times; {seconds:.0f} s"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seed", type=int, help="the first seed; by default chance decides")
    given = parser.parse_args()
    first = given.seed if given.seed is not None else random.randrange(2**31)
    with PostgresServer() as postgres, NatsServer() as nats, tempfile.TemporaryDirectory() as folder:
        url = postgres.create_database()
        asyncio.run(migrate(url, Service("template")))
        results = []
        for seed in range(first, first + given.seeds):
            result = asyncio.run(run_seed(seed, postgres, nats, url.rpartition("/")[2], Path(folder)))
            print(f"seed {seed}: {len(result.reached)} of {len(LABELS)} reached in {result.seconds:.0f} s", flush=True)
            results.append(result)
    print(table(results))
    return 1 if any(result.missed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
