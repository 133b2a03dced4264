"""Calls don't cascade: counts and ratios under faults, on real processes. The campaign forms assert the targets of time, too."""

from __future__ import annotations

import random

import pytest
from tests.faults.resilience import hops, hung, overload, probes, replicas, storm
from tests.faults.resilience.load import at_once, seeded
from tests.faults.resilience.nodes import Fourth, Look
from tests.faults.resilience.running import nodes

from atoll.contracts.policies import ClientPolicy
from atoll.service import Resilience

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(name="chance")
def chance_fixture() -> random.Random:
    return seeded()


@pytest.mark.parametrize("breakers", [False, True])
async def test_a_leaf_that_is_down_sees_no_storm(chance: random.Random, breakers: bool) -> None:
    found = await storm.measure(40, 6, chance, breakers=breakers)
    print(found)
    assert found.asked[-1] <= found.most
    assert found.asked[:2] == [found.offered, found.offered] or breakers  # only the layer next to the failure repeats


async def test_a_thousand_calls_after_a_break_are_one_probe_and_a_cancelled_one_frees_its_place() -> None:
    found = await probes.measure(2)
    print(found)
    assert found.probes == [1, 1]
    assert found.stuck == 0


async def test_overload_costs_no_goodput(chance: random.Random) -> None:
    """How much slower it gets is for the campaign form. Other work here can only make a round worse: the best counts."""
    rounds = []
    for _ in range(3):
        found = await overload.measure("cpu", 3, chance)
        rounds.append(f"{found}, failed with {dict(found.over.failed)}")
        told_at_once = found.over.failed.keys() <= {503}  # and not left to wait
        if told_at_once and found.goodput >= 0.6 and found.recovered <= overload.TARGET_RECOVERY:
            return
    raise AssertionError("\n".join(rounds))


async def test_a_burst_of_trivial_requests_is_no_overload() -> None:
    async with nodes("fourth") as running:
        leaf = await running.client(Fourth, Resilience(client=ClientPolicy(in_flight=10_000)))
        for _ in range(20):
            assert not (await at_once(lambda: leaf.look(Look()), 64)).failed


async def test_a_hung_dependency_harms_only_those_who_use_it(chance: random.Random) -> None:
    found = await hung.measure(1, 3, 30, chance)
    print(found)
    assert found.harmed == 0
    assert found.failed > 0
    assert found.hung.quantile(0.99) <= 3 * found.well.quantile(0.99) + 0.1


async def test_no_hop_begins_after_the_deadline_and_the_remaining_time_falls() -> None:
    found = await hops.measure(10)
    print(found)
    assert found.late == 0
    assert found.rising == []


async def test_a_slow_replica_gets_little_of_the_traffic(chance: random.Random) -> None:
    found = await replicas.share(60, 8, chance)
    print(found)
    assert found.slow <= replicas.MOST


async def test_hedging_stays_in_its_budget_and_ends_its_losers(chance: random.Random) -> None:
    found = await replicas.hedging(60, 8, chance)
    print(found)
    assert found.hedges <= found.most + 1
    assert found.lost == found.given_up
    assert found.asked <= found.found.offered + found.hedges
