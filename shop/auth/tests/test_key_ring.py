from __future__ import annotations

import asyncio

import pytest
from shop.auth.tests.fakes import NOW, Clock, FakeKeyStore

from atoll.contracts import Unavailable
from atoll.security import RotationPolicy
from shop_auth.cryptography import KeySeal, SealBroken
from shop_auth.key_ring import KeyRing

POLICY = RotationPolicy(signs=1000, ahead=100, token_lifetime=60, leeway=10)


def ring(store: FakeKeyStore, clock: Clock) -> KeyRing:
    return KeyRing(store, POLICY, clock)


async def test_the_first_key_is_made_when_it_is_needed() -> None:
    store = FakeKeyStore()
    key = await ring(store, Clock()).current()
    assert store.kept == {1: key}


async def test_instances_that_start_at_once_agree() -> None:
    store, clock = FakeKeyStore(), Clock()
    keys = await asyncio.gather(*(ring(store, clock).current() for _ in range(5)))
    assert len({key.kid for key in keys}) == 1
    assert list(store.kept) == [1]


async def test_a_key_is_published_signs_and_goes() -> None:
    store, clock = FakeKeyStore(), Clock()
    keys = ring(store, clock)
    generations = [await generations_at(keys, clock, NOW + at) for at in (0, 900, 999, 1000, 1069, 1096)]
    assert generations == [(1, [1]), (1, [1, 2]), (1, [1, 2]), (2, [1, 2]), (2, [1, 2]), (2, [2])]
    assert list(store.kept) == [2]


async def generations_at(keys: KeyRing, clock: Clock, now: float) -> tuple[int, list[int]]:
    clock.now = now
    return (await keys.current()).generation, [key.generation for key in await keys.published()]


async def test_another_instances_key_is_known_before_it_signs() -> None:
    store, clock = FakeKeyStore(), Clock()
    busy, idle = ring(store, clock), ring(store, clock)
    await idle.current()
    clock.now += 950
    await busy.current()
    clock.now += 100
    assert (await idle.current()).kid == (await busy.current()).kid == store.kept[2].kid


async def test_the_database_is_not_asked_each_time() -> None:
    store, clock = FakeKeyStore(), Clock()
    keys = ring(store, clock)
    for _ in range(100):
        await keys.current()
        await keys.published()
    assert store.loads == 2  # before and after the first key


async def test_published_keys_survive_a_database_that_is_away() -> None:
    store, clock = FakeKeyStore(), Clock()
    keys = ring(store, clock)
    key = await keys.current()
    store.away = True
    clock.now += 99
    assert await keys.current() is key
    clock.now += 100_000
    assert await keys.published() == (key,)
    with pytest.raises(Unavailable):
        await keys.current()


async def test_without_a_database_there_is_no_first_key() -> None:
    store = FakeKeyStore()
    store.away = True
    with pytest.raises(Unavailable):
        await ring(store, Clock()).published()


def test_a_sealed_key_opens_with_its_secret_and_name_alone() -> None:
    seal = KeySeal("a secret of the operator")
    stored = seal.seal("the key", "kid-1")
    assert "the key" not in stored
    assert seal.open(stored, "kid-1") == "the key"
    assert stored != seal.seal("the key", "kid-1")
    for other, name in ((seal, "kid-2"), (KeySeal("another secret of theirs"), "kid-1"), (KeySeal(""), "kid-1")):
        with pytest.raises(SealBroken, match="AUTH_KEY_SECRET"):
            other.open(stored, name)
    with pytest.raises(SealBroken):
        seal.open("garbage", "kid-1")


def test_keys_from_before_there_was_a_secret_still_open() -> None:
    assert KeySeal("a secret of the operator").open(KeySeal("").seal("the key", "kid-1"), "kid-1") == "the key"
