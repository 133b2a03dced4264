"""Health pages under a flood of probes: each answers for each dependency, and the database does not notice the flood."""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Callable, Iterator
from urllib.parse import urlsplit

import pytest
from tests.system.local_system import LocalSystem, copy_of_shop
from tests.system.postgres import rows

PROBERS = 4
SECONDS = 5.0
CHECKS_PER_SECOND = 2  # a dependency is asked at most so often; see CHECK_CACHE in service/health.py
NOISE = 1.5  # how much the service's own work at its database may differ between two such times, and
SPARE = 20  # so many transactions more


@pytest.fixture(scope="module")
def quiet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSystem]:
    """The shop, with no customers."""
    shop = LocalSystem(copy_of_shop(tmp_path_factory.mktemp("shop"))).up()
    yield shop
    shop.down()


def test_a_flood_of_probes_reaches_no_database(quiet: LocalSystem) -> None:
    with_nobody = transactions_while(quiet, lambda: time.sleep(SECONDS))
    counted: list[int] = []
    with_probes = transactions_while(quiet, lambda: counted.append(flood(quiet.url("orders"))))
    probes = counted[0]
    print(
        f"{probes / SECONDS:.0f} probes/s; transactions in {SECONDS:g} s: {with_nobody} without, {with_probes} with them"
    )
    assert probes > SECONDS * 100, "this is no flood"
    assert with_probes <= with_nobody * NOISE + CHECKS_PER_SECOND * SECONDS + SPARE


def transactions_while(shop: LocalSystem, what: Callable[[], object]) -> int:
    """How many transactions the database of orders had meanwhile."""
    before = transactions(shop)
    what()
    return transactions(shop) - before


def transactions(shop: LocalSystem) -> int:
    found = rows(
        shop,
        "orders",
        "SELECT xact_commit + xact_rollback AS n FROM pg_stat_database WHERE datname = current_database()",
    )
    return int(found[0]["n"])


def flood(base: str) -> int:
    """So many probes were answered, each 200."""
    end = time.monotonic() + SECONDS
    counts = [0] * PROBERS

    def probe(at: int) -> None:
        address = urlsplit(base)
        connection = http.client.HTTPConnection(str(address.hostname), address.port, timeout=10)
        while time.monotonic() < end:
            connection.request("GET", "/health/ready")
            response = connection.getresponse()
            assert response.status == 200, response.read()
            response.read()
            counts[at] += 1
        connection.close()

    threads = [threading.Thread(target=probe, args=(at,)) for at in range(PROBERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)
