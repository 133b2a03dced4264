from __future__ import annotations

import asyncio
import random

import asyncpg
from hypothesis import given
from hypothesis import strategies as st

from atoll.data import Database, Weight
from atoll.data.partitions import Partitions, Seen, fair_shares, to_release, to_take
from atoll.data.weight import MOST_WEIGHT


@given(partitions=st.integers(1, 64), members=st.integers(1, 80))
def test_shares_add_up_and_differ_by_one_at_most(partitions: int, members: int) -> None:
    shares = fair_shares(partitions, [100] * members)
    assert sum(shares) == partitions
    assert max(shares) - min(shares) <= 1
    assert shares == sorted(shares, reverse=True)


@given(partitions=st.integers(1, 64), weights=st.lists(st.integers(0, MOST_WEIGHT), min_size=1, max_size=12))
def test_shares_follow_the_weights(partitions: int, weights: list[int]) -> None:
    shares = fair_shares(partitions, weights)
    total = sum(weights)
    assert sum(shares) == (partitions if total else 0)
    for share, weight in zip(shares, weights, strict=True):
        assert abs(share - partitions * weight / max(1, total)) < 1
        assert weight or not share


class Instances:
    """Members as pure state: each acts on what it sees, in any order, and may see it late."""

    def __init__(self, count: int) -> None:
        self.count = count
        self.holds: dict[int, set[int]] = {}

    def seen(self) -> Seen:
        return Seen(tuple(sorted(self.holds)), frozenset().union(*self.holds.values()))

    def act(self, member: int, seen: Seen) -> None:
        if member not in seen.members:
            return
        mine = self.holds[member]
        rank = seen.members.index(member)
        share = fair_shares(self.count, [100] * len(seen.members))[rank]
        mine.difference_update(to_release(mine, share))
        for number in to_take(self.count, seen, mine, rank, share):
            if all(number not in others for others in self.holds.values()):  # the lock decides
                mine.add(number)


@given(
    steps=st.lists(st.tuples(st.sampled_from(["join", "leave", "act", "late"]), st.integers(0, 9)), max_size=60),
    count=st.integers(1, 16),
)
def test_any_history_ends_with_each_partition_at_one_member_in_fair_shares(
    steps: list[tuple[str, int]], count: int
) -> None:
    world = Instances(count)
    stale = world.seen()
    for what, member in steps:
        if what == "join":
            world.holds.setdefault(member, set())
        elif what == "leave":
            world.holds.pop(member, None)
        elif member in world.holds:
            world.act(member, stale if what == "late" else world.seen())
        if what != "late":
            stale = world.seen()
    for _ in range(2):
        for member in sorted(world.holds, key=lambda one: random.random()):
            world.act(member, world.seen())
    for member in world.holds:
        world.act(member, world.seen())
    if world.holds:
        held = [number for mine in world.holds.values() for number in mine]
        assert sorted(held) == list(range(count))
        sizes = [len(mine) for mine in world.holds.values()]
        assert max(sizes) - min(sizes) <= 1


class Member:
    """Counts what it holds; gives up slowly."""

    holders: dict[int, Member]

    def __init__(self, database: Database, holders: dict[int, Member], weight: Weight | None = None) -> None:
        self.holders = holders
        self.partitions = Partitions(
            database, "test", 8, taken=self.taken, released=self.released, lost=self.lost, weight=weight
        )

    def taken(self, number: int) -> None:
        assert number not in self.holders, "two members hold one partition"
        self.holders[number] = self

    async def released(self, number: int) -> None:
        await asyncio.sleep(0.02)  # work in flight
        assert self.holders.pop(number) is self

    async def lost(self) -> None:
        for number in [number for number, holder in self.holders.items() if holder is self]:
            del self.holders[number]


async def settled(members: list[Member], *expected: int) -> None:
    async with asyncio.timeout(15):
        while sorted(len(one.partitions.mine) for one in members) != sorted(expected):
            await asyncio.sleep(0.01)


async def test_members_come_go_and_die(database_url: str) -> None:
    held: dict[int, Member] = {}
    databases = [Database(database_url, service="test", source=f"member-{n}") for n in range(4)]
    members = [Member(database, held) for database in databases]
    for n, expected in enumerate([(8, 0, 0, 0), (4, 4, 0, 0), (3, 3, 2, 0), (2, 2, 2, 2)]):
        await members[n].partitions.start()
        await settled(members, *expected)
    await members[0].partitions.stop()
    await settled(members, 0, 3, 3, 2)
    assert sorted(held) == list(range(8))
    admin = await asyncpg.connect(database_url)
    await admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'member-1'")
    await admin.close()
    await settled(members, 0, 3, 3, 2)
    assert sorted(held) == list(range(8))
    for member in members:
        await member.partitions.stop()
    assert held == {}


async def test_members_hold_by_weight_and_each_partition_has_one_holder_while_weights_change(database_url: str) -> None:
    held: dict[int, Member] = {}
    weights = [Weight(), Weight(), Weight(0)]
    databases = [Database(database_url, service="test", source=f"weighed-{n}") for n in range(3)]
    members = [Member(database, held, weight) for database, weight in zip(databases, weights, strict=True)]

    async def hold(*expected: int) -> None:
        async with asyncio.timeout(15):
            while [len(one.partitions.mine) for one in members] != list(expected) or len(held) != sum(expected):
                await asyncio.sleep(0.01)

    for member in members:
        await member.partitions.start()
    await hold_any(held, 8)
    assert len(members[2].partitions.mine) == 0
    for shares, expected in (((42_000, 42_000, 28_000), {3, 2}), ((1, 1, 2), {2, 4}), ((0, 0, 100), {0, 8})):
        for weight, share in zip(weights, shares, strict=True):
            weight.set(share)
        async with asyncio.timeout(15):
            while {len(one.partitions.mine) for one in members} != expected or len(held) != 8:
                await asyncio.sleep(0.01)
    weights[2].set(0)
    await hold(0, 0, 0)
    weights[0].set(100)
    await hold(8, 0, 0)
    for member in members:
        await member.partitions.stop()
    assert held == {}


async def hold_any(held: dict[int, Member], count: int) -> None:
    async with asyncio.timeout(15):
        while len(held) != count:
            await asyncio.sleep(0.01)
