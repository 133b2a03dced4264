"""Services stop and start while customers shop: not a request fails, and not an event is lost."""

from __future__ import annotations

import os
import random
import signal
from collections.abc import Callable

from tests.faults.lifecycle.crowd import crowd, processes, settled, wait_for_another
from tests.system.local_system import LocalSystem


def services_of(shop: LocalSystem) -> list[str]:
    return sorted(shop.status["services"])


def test_sigterm_of_every_instance_in_turn_fails_no_request(
    new_shop: Callable[[], LocalSystem], rounds: int, seed: int, chance: random.Random
) -> None:
    """From outside, without a word to the supervisor; two instances a service, as whoever wants that must have."""
    shop = new_shop()
    services = services_of(shop)
    for service in services:
        shop.must("scale", f"{service}=2")
    stopped = 0
    with crowd(shop, seed) as found:
        for _ in range(rounds):
            for service in chance.sample(services, len(services)):
                stop_each_instance(shop, service, chance)
                stopped += 2
    tell(f"{stopped} SIGTERMs in {rounds} rounds", found.done, found.failed, settled(shop, found))
    assert found.failed == []


def test_restart_of_single_instances_fails_no_request(
    new_shop: Callable[[], LocalSystem], rounds: int, seed: int, chance: random.Random
) -> None:
    """By the supervisor, which starts the new instance before it stops the old one."""
    shop = new_shop()
    services = services_of(shop)
    with crowd(shop, seed) as found:
        for _ in range(rounds):
            for service in chance.sample(services, len(services)):
                shop.must("restart", service)
    tell(f"{rounds} rounds of restarts of {len(services)} services", found.done, found.failed, settled(shop, found))
    assert found.failed == []


def test_sigterm_of_a_single_instance_leaves_a_gap_but_loses_no_order(
    new_shop: Callable[[], LocalSystem], seed: int
) -> None:
    """Nobody can answer while the only instance starts anew: 503 with retry-after, no other failure, and no lost order."""
    shop = new_shop()
    with crowd(shop, seed) as found:
        for service in services_of(shop):
            pid = shop.pid(service)
            os.kill(pid, signal.SIGTERM)
            shop.wait_for_new(service, pid)
    tell("1 SIGTERM of each service's only instance", found.done, found.failed, settled(shop, found))
    assert all(" 503 " in line for line in found.failed), found.failed


def stop_each_instance(shop: LocalSystem, service: str, chance: random.Random) -> None:
    """One after the other: the next one only when the one before is back."""
    for process in chance.sample(processes(shop, service), 2):
        process.terminate()
        wait_for_another(shop, service, process)


def tell(what: str, done: object, failed: list[str], ended: object) -> None:
    print(f"{what}: requests {done}, failed {len(failed)}, orders {ended}")
    for line in failed[:20]:
        print(f"  {line}")
