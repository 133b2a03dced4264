"""The crash campaign: each service ends itself once at every labelled place while orders come in; then everything must add up.

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
from itertools import zip_longest
from pathlib import Path

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
WAVE = 6  # orders at once
AGAIN_AFTER = 2.0  # seconds until more orders come, should a place not be reached yet
REACHED_WITHIN = 120.0  # seconds


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


def plan(chance: random.Random) -> list[dict[str, str]]:
    """Rounds: for each service, where it is to end. Every label comes once."""
    lists: dict[str, list[str]] = {"payments": list(PAYMENTS), "orders": []}
    lists["orders"] = [label for label in LABELS if label not in BOTH and label not in PAYMENTS]
    for label in chance.sample(BOTH, len(BOTH)):
        lists["payments" if len(lists["payments"]) < len(lists["orders"]) else "orders"].append(label)
    for labels in lists.values():
        chance.shuffle(labels)
    rounds = zip_longest(lists["orders"], lists["payments"])
    return [{name: label for name, label in zip(("orders", "payments"), pair, strict=True) if label} for pair in rounds]


async def run_round(plant: Plant, targets: dict[str, str], result: Result) -> None:
    """One round: armed, hit, started again, at rest."""
    times = {name: plant.chance.randint(1, OFTEN) if label not in ONCE else 1 for name, label in targets.items()}
    for name, label in targets.items():
        plant.kill(name)
        plant.start(name, f"{label}:{times[name]}")
    waves = [asyncio.create_task(plant.wave(WAVE, poison=bool(POISONED & set(targets.values()))))]
    waiting, begun = dict(targets), time.monotonic()
    while waiting and time.monotonic() < begun + REACHED_WITHIN:
        for name in [name for name in waiting if plant.ended(name) is not None]:
            label = waiting.pop(name)
            if plant.ended(name) == EXIT_CODE:
                result.reached[label] = f"{name}:{times[name]}"
            plant.start(name)  # at once: the other one may need it to get to its place
        await _press(plant, waiting)
        if waiting and time.monotonic() > begun + len(waves) * AGAIN_AFTER:
            waves.append(asyncio.create_task(plant.wave(2)))
    for name in waiting:
        plant.kill(name)
        plant.start(name)
    await asyncio.gather(*waves)
    await plant.ready()
    await plant.rest()


async def _press(plant: Plant, waiting: dict[str, str]) -> None:
    """What some places need besides orders."""
    if waiting.get("orders") in REBUILDING:
        await plant.post("orders", "/rebuild")
    if waiting.get("payments") == "during-redrive" and await plant.count("payments", DEAD):
        await plant.post("payments", "/redrive")
    await asyncio.sleep(0.05)


async def run_seed(seed: int, postgres: PostgresServer, nats: NatsServer, template: str, folder: Path) -> Result:
    """All labels with one seed. AssertionError if anything is lost or twice."""
    chance, result, begun = random.Random(seed), Result(seed), time.monotonic()
    async with Plant(postgres, nats, template, folder, chance) as plant:
        for targets in plan(chance):
            await run_round(plant, targets, result)
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
    lines.append(f"{hit} of {there} reached ({100 * hit / there:.0f} %)")
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
            print(f"seed {seed}", flush=True)
            results.append(asyncio.run(run_seed(seed, postgres, nats, url.rpartition("/")[2], Path(folder))))
    print(table(results))
    return 1 if any(result.missed for result in results) else 0


if __name__ == "__main__":
    sys.exit(main())
