"""The crash campaign, a seed a test: 3 by default, as many as ATOLL_SEEDS says. See `campaign` for what one seed does."""

from __future__ import annotations

import ast
import os
import random
from pathlib import Path

import pytest
from tests.faults.campaign import BOTH, plan, run_seed, table

from atoll import crash
from atoll.crash import LABELS
from atoll.testing import NatsServer, PostgresServer

SOURCE = Path(crash.__file__).parent
SEEDS = int(os.environ.get("ATOLL_SEEDS", "3"))
ALSO_FOR_LISTS = (
    "before-acknowledge",
    "after-acknowledge",
)  # lists of events are acknowledged elsewhere than single ones
FIRST = int(os.environ.get("ATOLL_TEST_SEED") or random.randrange(2**31))


def labels_in_the_source() -> list[str]:
    """What `crash_point` is called with, everywhere."""
    found = []
    for path in SOURCE.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "crash_point":
                (label,) = node.args
                assert isinstance(label, ast.Constant), f"{path}: a label is written out, so that it can be found"
                found.append(str(label.value))
    return found


def test_each_label_stands_at_one_place_of_the_source() -> None:
    assert sorted(labels_in_the_source()) == sorted([*LABELS, *ALSO_FOR_LISTS])


@pytest.mark.parametrize("seed", range(5))
def test_a_plan_has_every_label_once(seed: int) -> None:
    planned = [ending.label for leg in plan(random.Random(seed)) for endings in leg.values() for ending in endings]
    assert sorted(planned) == sorted(LABELS)
    assert set(BOTH) < set(planned)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("number", range(SEEDS))
async def test_nothing_is_lost_or_twice_whatever_ends_where(
    number: int, postgres: PostgresServer, nats: NatsServer, template: str, tmp_path: Path
) -> None:
    seed = FIRST + number
    print(f"seed {seed}; repeat with ATOLL_TEST_SEED={seed} ATOLL_SEEDS=1")
    result = await run_seed(seed, postgres, nats, template, tmp_path)
    print(table([result]))
    assert result.missed == []
