from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest

from atoll.contracts import Unavailable
from shop_auth import argon2
from shop_auth.argon2 import Argon2Passwords


@pytest.fixture
async def passwords() -> AsyncIterator[Argon2Passwords]:
    made = Argon2Passwords(2, memory=64, passes=1)
    yield made
    await made.close()


async def test_a_password_matches_its_hash_alone(passwords: Argon2Passwords) -> None:
    stored = await passwords.hash("correct horse")
    assert stored.startswith("$argon2id$")
    assert "horse" not in stored
    assert await passwords.matches("correct horse", stored)
    assert not await passwords.matches("wrong horse", stored)
    assert stored != await passwords.hash("correct horse")


async def test_nobody_has_no_password(passwords: Argon2Passwords) -> None:
    assert not await passwords.matches("nobody has this password", None)


async def test_a_broken_hash_matches_nothing(passwords: Argon2Passwords) -> None:
    assert not await passwords.matches("x", "not a hash")


async def test_letters_are_compared_however_they_were_composed(passwords: Argon2Passwords) -> None:
    assert await passwords.matches("cafe\u0301 \u212b", await passwords.hash("caf\u00e9 \u00c5"))


async def test_other_parameters_are_outdated(passwords: Argon2Passwords) -> None:
    assert passwords.outdated("$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$aGFzaGhhc2hoYXNoaGFzaA")
    assert not passwords.outdated(await passwords.hash("x"))


async def test_a_crowd_is_told_to_come_back(passwords: Argon2Passwords, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(argon2, "MAX_WAITING", 3)
    outcomes = await asyncio.gather(*(passwords.hash("x") for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, Unavailable) for one in outcomes) == 7
    assert await passwords.hash("x")


async def test_hashing_costs_what_owasp_asks_for() -> None:
    made = Argon2Passwords(1)
    try:
        assert "$m=19456,t=2,p=1$" in await made.hash("x")
    finally:
        await made.close()
