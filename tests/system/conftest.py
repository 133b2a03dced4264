"""One running shop for all tests that do not break it, and folders for those that need one of their own."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterator
from pathlib import Path

import pytest
from tests.brokers import install_or_skip
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.shopper import Shopper, new_shopper

# The shop is started by whichever test comes first, and that takes longer than most tests may.
START_TIMEOUT = 300
BROKERS = ("nats", "rabbitmq", "kafka")


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", "every_broker: a system test that runs on each broker, not on NATS alone")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Each test of this folder is a system test."""
    for item in items:
        if Path(__file__).parent in item.path.parents:
            item.add_marker(pytest.mark.system)
            if item.get_closest_marker("timeout") is None:
                item.add_marker(pytest.mark.timeout(START_TIMEOUT))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """A test marked ``every_broker`` runs on each of them, any other on NATS."""
    if "broker" in metafunc.fixturenames:
        all_of_them = metafunc.definition.get_closest_marker("every_broker") is not None
        metafunc.parametrize("broker", BROKERS if all_of_them else BROKERS[:1], indirect=True, scope="session")


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
def broker(request: pytest.FixtureRequest) -> str:
    """The kind of the broker that the system has; a machine that cannot have it skips the test and says why."""
    kind = str(request.param)
    if kind != "nats":  # its wheel is there
        install_or_skip(kind)
    return kind


@pytest.fixture(scope="session")
def shop(tmp_path_factory: pytest.TempPathFactory, broker: str) -> Iterator[LocalSystem]:
    """The shop, running."""
    system = LocalSystem(copy_of_shop(tmp_path_factory.mktemp("shop")), broker)
    try:
        yield system.up()
    finally:
        system.down()


@pytest.fixture
def ada(shop: LocalSystem) -> Shopper:
    """A customer with no orders yet."""
    return new_shopper(shop)


@pytest.fixture
def new_system(tmp_path: Path, broker: str) -> Iterator[Callable[[], LocalSystem]]:
    """Makes copies of the shop that are not running yet; what they left running is ended afterwards."""
    made: list[LocalSystem] = []

    def make() -> LocalSystem:
        system = LocalSystem(copy_of_shop(tmp_path / str(len(made))), broker)
        made.append(system)
        return system

    yield make
    for system in made:
        system.atoll("down")
