from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shop.auth.tests.fakes import World

from atoll.contracts import Invalid
from shop_auth.email import normalised
from shop_contracts import EmailTaken, InvalidGrant, TooManyAttempts

PASSWORD = "correct horse"


async def test_an_account_gets_an_id_and_the_role_of_a_user() -> None:
    world = World()
    user_id = await world.registrar.register(" Ada@Example.org", PASSWORD)
    account = world.accounts.kept["ada@example.org"]
    assert account.user_id == user_id
    assert account.roles == {"user"}
    assert "hash of" not in repr(account)


async def test_an_email_is_taken_once_and_finding_out_costs_the_same() -> None:
    world = World()
    await world.registrar.register("ada@example.org", PASSWORD)
    with pytest.raises(EmailTaken):
        await world.registrar.register("ADA@example.org", "another horse")
    assert world.passwords.hashed == 2
    assert world.accounts.kept["ada@example.org"].password_hash == f"hash of {PASSWORD}"


async def test_asking_who_is_registered_gets_slower() -> None:
    world = World()
    await world.registrar.register("ada@example.org", PASSWORD, "10.0.0.9")
    for _ in range(100):
        with pytest.raises(EmailTaken):
            await world.registrar.register("ada@example.org", PASSWORD, "10.0.0.9")
    with pytest.raises(TooManyAttempts):
        await world.registrar.register("new@example.org", PASSWORD, "10.0.0.9")


async def test_who_guesses_passwords_behind_an_address_stops_no_registration_there() -> None:
    world = World()
    for number in range(100):
        with pytest.raises(InvalidGrant):
            await world.registrar.login(f"victim{number}@example.org", "a guess", "10.0.0.9")
    with pytest.raises(TooManyAttempts):
        await world.registrar.login("victim@example.org", "a guess", "10.0.0.9")
    await world.registrar.register("new@example.org", PASSWORD, "10.0.0.9")


@pytest.mark.parametrize("email", ["", "@", "a@", "@b", "a@b@c", "a b@c", "a@b\0", "a\x7f@b", "a" * 250 + "@b.cd"])
async def test_what_is_no_email_is_named(email: str) -> None:
    with pytest.raises(Invalid) as refused:
        await World().registrar.register(email, PASSWORD)
    assert refused.value.fields[0].field == "email"


@given(st.text(max_size=300))
def test_an_email_has_one_spelling(text: str) -> None:
    once = normalised(text)
    if once is not None:
        assert normalised(once) == once
        assert once.count("@") == 1
        assert "\0" not in once


async def test_the_first_administrator_is_made_once(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    for password in (PASSWORD, "another horse"):
        await world.registrar.ensure_admin("root@example.org", password)
    account = world.accounts.kept["root@example.org"]
    assert account.roles == {"user", "admin"}
    assert account.password_hash == f"hash of {PASSWORD}"


async def test_an_account_that_is_there_does_not_become_administrator(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    await world.registrar.register("root@example.org", PASSWORD)
    with caplog.at_level(logging.WARNING):
        await world.registrar.ensure_admin("root@example.org", "another horse")
    assert world.accounts.kept["root@example.org"].roles == {"user"}
    assert "stays as it is" in caplog.text
