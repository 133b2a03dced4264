"""The shop in a folder of its own for each test that stops and starts parts of it; how long, and with which seed."""

from __future__ import annotations

import os
import random
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.system.local_system import LocalSystem, copy_of_shop

TIMEOUT = 300  # seconds for one round; a guard


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Each test of this folder runs a system and may take a while."""
    rounds = int(config.getoption("--rounds", default=None) or 1)
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(TIMEOUT * rounds))


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--rounds", type=int, default=None, help="how often the faults of a test are repeated (default 1)")


@pytest.fixture
def rounds(request: pytest.FixtureRequest) -> int:
    """How often a test repeats its faults. (The option is only known where this folder is named on the command line.)"""
    return int(request.config.getoption("--rounds", default=None) or 1)


@pytest.fixture
def seed() -> int:
    """The number that chance begins with; a failed run is repeated with the one that it printed."""
    chosen = int(os.environ.get("ATOLL_TEST_SEED") or time.time_ns() % 2**32)
    print(f"seed {chosen}; repeat with ATOLL_TEST_SEED={chosen}")
    return chosen


@pytest.fixture
def chance(seed: int) -> random.Random:
    return random.Random(seed)


@pytest.fixture
def new_shop(tmp_path: Path) -> Iterator[Callable[[], LocalSystem]]:
    """Starts a shop; what is left of it is ended afterwards."""
    made: list[LocalSystem] = []

    def make() -> LocalSystem:
        system = LocalSystem(copy_of_shop(tmp_path / str(len(made))))
        made.append(system)
        return system.up()

    yield make
    for system in made:
        system.atoll("down")
