"""UUIDs of version 7, as RFC 9562 lays them out."""

from __future__ import annotations

import os
import time
from typing import NewType
from uuid import RFC_4122, UUID

import pytest

from atoll.contracts import new_id, uuid7

OrderId = NewType("OrderId", UUID)


def test_version_and_variant_are_what_the_rfc_says() -> None:
    for _ in range(1000):
        one = uuid7()
        assert (one.version, one.variant) == (7, RFC_4122)


def test_the_first_48_bits_are_the_milliseconds_since_1970() -> None:
    before = time.time_ns() // 1_000_000
    made = uuid7().int >> 80
    assert before <= made <= time.time_ns() // 1_000_000


@pytest.mark.parametrize("later", [1, 2, 1000, 10**9])
def test_a_later_id_sorts_after_an_earlier_one(later: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000 + later * 1_000_000)
    second = uuid7()
    assert first < second
    assert str(first) < str(second)


def test_ids_of_one_process_rise_strictly() -> None:
    made = [uuid7() for _ in range(10_000)]
    assert made == sorted(set(made))


def test_ids_rise_although_the_clock_steps_back_a_little(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    first = uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000 - 500_000_000)
    assert uuid7() > first


def test_a_clock_that_was_far_ahead_does_not_bind_later_ids(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    uuid7()
    monkeypatch.setattr(time, "time_ns", lambda: 1_700_000_000_000_000_000)
    assert uuid7().int >> 80 == 1_700_000_000_000


def test_ids_of_one_millisecond_differ(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(time, "time_ns", lambda: 1_800_000_000_000_000_000)
    assert len({uuid7() for _ in range(10_000)}) == 10_000


def test_every_random_bit_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    ones, zeros = 0, (1 << 128) - 1
    for _ in range(2000):
        ones, zeros = ones | uuid7().int, zeros & uuid7().int
    fixed = ~(ones & ~zeros) & ((1 << 80) - 1)
    assert fixed == (0xF << 76) | (0b11 << 62)  # version and variant alone


def test_a_kind_of_id_is_a_uuid_underneath() -> None:
    made: OrderId = new_id(OrderId)
    assert isinstance(made, UUID)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system does not fork")
def test_a_forked_process_has_random_bits_of_its_own() -> None:
    uuid7()
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        os.write(writing, uuid7().bytes)
        os._exit(0)
    os.waitpid(child, 0)
    there = UUID(bytes=os.read(reading, 16))
    os.close(reading)
    os.close(writing)
    assert there.int & 0xFFFFFFFF != uuid7().int & 0xFFFFFFFF
