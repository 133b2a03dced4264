from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.security import PrivateKey, RotationPolicy, SigningKey, SigningKeys
from atoll.security.joserfc import KeyMistake

POLICY = RotationPolicy(signs=100, ahead=20, token_lifetime=10, leeway=5)
KEYS = [PrivateKey.generate() for _ in range(3)]


def row(*signs_from: float) -> SigningKeys:
    return SigningKeys([SigningKey(number, at, KEYS[number % 3]) for number, at in enumerate(signs_from, 1)], POLICY)


def states(keys: SigningKeys, now: float) -> list[str]:
    return [keys.state(key, now) for key in keys._keys]


def test_the_first_key_signs_at_once() -> None:
    first = row().wanted(5)
    assert first is not None
    assert (first.generation, first.signs_from) == (1, 5)
    assert row().current(5) is None
    assert row(5).current(5) is not None


def test_the_first_key_signs_for_an_instance_whose_clock_is_behind() -> None:
    current = row(5, 105).current(4)
    assert current is not None
    assert current.generation == 1


def test_a_successor_is_made_ahead_of_its_use() -> None:
    assert row(0).wanted(79.9) is None
    successor = row(0).wanted(80)
    assert successor is not None
    assert (successor.generation, successor.signs_from) == (2, 100)
    assert row(0, 100).wanted(80) is None


def test_a_late_successor_is_still_published_ahead() -> None:
    successor = row(0).wanted(500)
    assert successor is not None
    assert successor.signs_from == 520


def test_a_key_is_next_then_current_then_retired_then_gone() -> None:
    keys = row(0, 100)
    assert states(keys, 99) == ["current", "next"]
    assert states(keys, 100) == ["retired", "current"]
    assert states(keys, 115) == ["retired", "current"]
    assert states(keys, 115.1) == ["gone", "current"]
    assert [key.generation for key in keys.published(99)] == [1, 2]
    assert [key.generation for key in keys.published(120)] == [2]
    assert [key.generation for key in keys.gone(120)] == [1]


@given(st.lists(st.floats(min_value=0.1, max_value=300), max_size=20))
def test_every_token_can_be_verified_as_long_as_it_lives(steps: list[float]) -> None:
    """Whenever keys are looked after: one key signs, it was published before, and stays until its last token ended."""
    now, made = 1000.0, list[SigningKey]()
    published_before: set[int] = set()
    alive: list[tuple[float, int]] = []  # until when a token lives, and which key signed it
    for step in steps:
        if (wanted := SigningKeys(made, POLICY).wanted(now)) is not None:
            made.append(SigningKey(wanted.generation, wanted.signs_from, KEYS[wanted.generation % 3]))
        keys = SigningKeys(made, POLICY)
        current = keys.current(now)
        assert current is not None
        assert current.generation == 1 or current.generation in published_before
        alive.append((now + POLICY.token_lifetime + POLICY.leeway, current.generation))
        published = {key.generation for key in keys.published(now)}
        assert {generation for until, generation in alive if until >= now} <= published
        assert len(published) <= 4
        published_before = published
        now += step


@pytest.mark.parametrize("wrong", [{"signs": 10, "ahead": 10}, {"ahead": 0}, {"token_lifetime": -1}, {"leeway": -1}])
def test_a_policy_that_cannot_work_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"sign|seconds"):
        RotationPolicy(**wrong)


@pytest.mark.parametrize("text", ["", "{}", "[]", '{"kty":"oct","k":"AAAA"}', '{"kty":"EC","crv":"P-256"}'])
def test_a_stored_key_that_is_broken_is_named(text: str) -> None:
    with pytest.raises(KeyMistake):
        PrivateKey(text)
