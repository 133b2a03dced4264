"""One running shop for all tests that do not break it, and folders for those that need one of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import Shopper, new_shopper

# The shop is started by whichever test comes first, and that takes longer than most tests may.
START_TIMEOUT = 300


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test of this folder is a system test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(START_TIMEOUT))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """A failure shows what the services said last."""
    report = yield
    if report.failed and report.when == "call" and isinstance(item, pytest.Function):
        for value in item.funcargs.values():
            if isinstance(value, LocalSystem):
                report.sections.append(("Logs of the system", value.logs()))
    return report


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """The shop, running."""
    system = LocalSystem(copy_of_shop(tmp_path_factory.mktemp("shop")))
    try:
        yield system.up()
    finally:
        system.down()


@pytest.fixture
def ada(shop: LocalSystem) -> Shopper:
    """A customer with no orders yet."""
    return new_shopper(shop)


@pytest.fixture
def new_system(tmp_path: Path) -> Iterator[Callable[[], LocalSystem]]:
    """Makes copies of the shop that are not running yet; what they left running is ended afterwards."""
    made: list[LocalSystem] = []

    def make() -> LocalSystem:
        system = LocalSystem(copy_of_shop(tmp_path / str(len(made))))
        made.append(system)
        return system

    yield make
    for system in made:
        system.atoll("down")
