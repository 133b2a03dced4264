from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from msgspec import UNSET
from shop.auth.tests.fakes import World

from atoll.contracts import Unavailable
from shop_contracts import (
    InvalidClient,
    InvalidGrant,
    InvalidRequest,
    InvalidScope,
    Token,
    TokenForm,
    TooManyAttempts,
    UnsupportedGrantType,
)

EMAIL, PASSWORD = "ada@example.org", "correct horse"


def claims(token: Token) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(base64.urlsafe_b64decode(token.access_token.split(".")[1] + "=="))
    return found


def basic(text: str) -> str:
    return "Basic " + base64.b64encode(text.encode()).decode()


def refresh_form(token: Token, scope: str = "") -> TokenForm:
    assert isinstance(token.refresh_token, str)
    return TokenForm("refresh_token", refresh_token=token.refresh_token, scope=scope)


LOGIN = TokenForm("password", EMAIL, PASSWORD)


@pytest.fixture
async def world() -> World:
    made = World()
    await made.registrar.register(EMAIL, PASSWORD)
    return made


async def test_a_password_gives_a_token_for_its_user(world: World) -> None:
    token = await world.grants.grant(LOGIN)
    said = claims(token)
    assert said["sub"] == world.accounts.kept[EMAIL].user_id
    assert (said["scope"], said["roles"], said["aud"]) == ("orders:read orders:write", ["user"], "shop")
    assert (token.token_type, token.expires_in, token.scope) == ("Bearer", 60, "orders:read orders:write")
    assert PASSWORD not in repr(LOGIN) + repr(token)
    assert token.access_token not in repr(token)


@pytest.mark.parametrize("name", [EMAIL.upper(), f" {EMAIL} "])
async def test_an_email_is_compared_without_regard_to_case(world: World, name: str) -> None:
    assert (await world.grants.grant(TokenForm("password", name, PASSWORD))).access_token


@pytest.mark.parametrize(
    ("name", "password"),
    [
        (EMAIL, "wrong horse"),
        ("eve@example.org", PASSWORD),
        ("no email", PASSWORD),
        ("a\0b@c", PASSWORD),
        (EMAIL, "x" * 4000),
    ],
)
async def test_wrong_names_and_wrong_passwords_look_and_cost_the_same(world: World, name: str, password: str) -> None:
    with pytest.raises(InvalidGrant) as refused:
        await world.grants.grant(TokenForm("password", name, password))
    assert refused.value.detail == "the user name or the password is wrong"
    assert world.passwords.checked == 1


async def test_a_longer_password_that_begins_right_is_wrong(world: World) -> None:
    long = "x" * 128
    await world.registrar.register("bob@example.org", long)
    with pytest.raises(InvalidGrant):
        await world.grants.grant(TokenForm("password", "bob@example.org", long + "x"))


async def test_fewer_scopes_can_be_asked_for_and_more_cannot(world: World) -> None:
    token = await world.grants.grant(TokenForm("password", EMAIL, PASSWORD, scope="orders:read"))
    assert claims(token)["scope"] == "orders:read"
    with pytest.raises(InvalidScope, match="users:write"):
        await world.grants.grant(TokenForm("password", EMAIL, PASSWORD, scope="orders:read users:write"))
    with pytest.raises(InvalidScope):
        await world.grants.grant(refresh_form(token, "orders:write"))


async def test_a_refresh_token_gives_the_next_pair(world: World) -> None:
    first = await world.grants.grant(LOGIN)
    second = await world.grants.grant(refresh_form(first))
    third = await world.grants.grant(refresh_form(second))
    assert len({first.refresh_token, second.refresh_token, third.refresh_token}) == 3
    assert claims(third)["sub"] == claims(first)["sub"]


async def test_a_second_use_ends_the_whole_session(world: World) -> None:
    first = await world.grants.grant(LOGIN)
    second = await world.grants.grant(refresh_form(first))
    other = await world.grants.grant(LOGIN)
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(first))
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(second))
    await world.grants.grant(refresh_form(other))


async def test_refresh_tokens_end_unused_and_sessions_end_anyway(world: World) -> None:
    token = await world.grants.grant(LOGIN)
    for _ in range(3):
        world.clock.now += 299
        token = await world.grants.grant(refresh_form(token))
    world.clock.now += 299
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(token))
    idle = await world.grants.grant(LOGIN)
    world.clock.now += 300
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(idle))


@pytest.mark.parametrize("scope", ["everything", "users:write", "orders:read payments:refund"])
async def test_a_refused_scope_does_not_use_the_token_up(world: World, scope: str) -> None:
    token = await world.grants.grant(LOGIN)
    with pytest.raises(InvalidScope):
        await world.grants.grant(refresh_form(token, scope))
    await world.grants.grant(refresh_form(token))


async def test_a_second_use_ends_the_session_whatever_scope_it_asks_for(world: World) -> None:
    first = await world.grants.grant(LOGIN)
    second = await world.grants.grant(refresh_form(first))
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(first, "everything"))
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(second))


async def test_two_who_come_at_once_get_one_token_and_an_end(world: World) -> None:
    token = await world.grants.grant(LOGIN)
    outcomes = await asyncio.gather(
        *(world.grants.grant(refresh_form(token)) for _ in range(2)), return_exceptions=True
    )
    assert sum(isinstance(one, InvalidGrant) for one in outcomes) == 1
    renewed = next(one for one in outcomes if isinstance(one, Token))
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(renewed))


async def test_no_key_to_sign_with_does_not_use_the_token_up(world: World) -> None:
    token = await world.grants.grant(LOGIN)
    world.key_store.away = True
    world.clock.now += 150
    with pytest.raises(Unavailable):
        await world.grants.grant(refresh_form(token))
    world.key_store.away = False
    await world.grants.grant(refresh_form(token))


async def test_roles_count_from_the_next_token_on(world: World) -> None:
    token = await world.grants.grant(LOGIN)
    await world.accounts.set_roles(world.accounts.kept[EMAIL].user_id, frozenset())
    assert claims(await world.grants.grant(refresh_form(token)))["scope"] == ""
    await world.accounts.set_roles(world.accounts.kept[EMAIL].user_id, frozenset({"user", "admin"}))
    said = claims(await world.grants.grant(LOGIN))
    assert said["roles_text"] == "admin user"
    assert "users:write" in said["scope"]


@pytest.mark.parametrize(
    ("scope", "roles"),
    [
        ("", ["admin", "user"]),
        ("orders:read", []),
        ("orders:read orders:write", ["user"]),
        ("payments:read payments:refund users:write", ["admin"]),
        ("users:write", []),
    ],
)
async def test_a_token_for_less_carries_no_role_whose_scopes_it_lacks(
    world: World, scope: str, roles: list[str]
) -> None:
    await world.accounts.set_roles(world.accounts.kept[EMAIL].user_id, frozenset({"user", "admin"}))
    whole = await world.grants.grant(LOGIN)
    narrow = await world.grants.grant(TokenForm("password", EMAIL, PASSWORD, scope=scope))
    assert claims(narrow)["roles"] == roles
    assert claims(await world.grants.grant(refresh_form(narrow)))["roles"] == roles
    assert claims(await world.grants.grant(refresh_form(whole, scope)))["roles"] == roles


async def test_a_role_that_was_given_since_comes_with_the_next_login(world: World) -> None:
    token = await world.grants.grant(LOGIN)
    await world.accounts.set_roles(world.accounts.kept[EMAIL].user_id, frozenset({"user", "admin"}))
    assert claims(await world.grants.grant(refresh_form(token)))["roles"] == ["user"]
    assert claims(await world.grants.grant(LOGIN))["roles"] == ["admin", "user"]


async def test_a_machine_that_asks_for_less_is_a_machine_and_no_more(world: World) -> None:
    form = TokenForm("client_credentials", client_id="robot", client_secret="a-secret-of-a-robot", scope="orders:read")
    said = claims(await world.grants.grant(form))
    assert (said["scope"], said["roles"]) == ("orders:read", ["machine"])


async def test_logout_and_revocation_end_sessions(world: World) -> None:
    mine, also_mine = await world.grants.grant(LOGIN), await world.grants.grant(LOGIN)
    user_id = world.accounts.kept[EMAIL].user_id
    assert isinstance(mine.refresh_token, str)
    await world.sessions.end(mine.refresh_token, await world.registrar.register("eve@example.org", PASSWORD))
    mine = await world.grants.grant(refresh_form(mine))
    assert isinstance(mine.refresh_token, str)
    await world.sessions.end(mine.refresh_token, user_id)
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(mine))
    also_mine = await world.grants.grant(refresh_form(also_mine))
    await world.sessions.end_all(user_id)
    with pytest.raises(InvalidGrant):
        await world.grants.grant(refresh_form(also_mine))


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        (TokenForm("client_credentials", client_id="robot", client_secret="a-secret-of-a-robot"), ""),
        (TokenForm("client_credentials"), basic("robot:a-secret-of-a-robot")),
        (TokenForm("client_credentials"), basic("%72obot:a-secret-of-a-robot")),
    ],
)
async def test_a_machine_gets_a_token_for_itself(world: World, form: TokenForm, authorization: str) -> None:
    token = await world.grants.grant(form, authorization)
    said = claims(token)
    assert (said["sub"], said["scope"]) == ("robot", "orders:read payments:charge")
    assert said["roles"] == ["machine", "till"]
    assert token.refresh_token is UNSET


@pytest.mark.parametrize(
    ("form", "authorization"),
    [
        (TokenForm("client_credentials"), ""),
        (TokenForm("client_credentials", client_id="robot"), ""),
        (TokenForm("client_credentials", client_id="robot", client_secret="wrong"), ""),
        (TokenForm("client_credentials", client_id="nobody", client_secret="a-secret-of-a-robot"), ""),
        (TokenForm("client_credentials"), basic("robot:wrong")),
        (TokenForm("client_credentials"), basic("robot")),
        (TokenForm("client_credentials"), "Basic ???"),
        (TokenForm("client_credentials"), "Bearer x"),
    ],
)
async def test_a_wrong_client_is_told_how_to_show_itself(world: World, form: TokenForm, authorization: str) -> None:
    with pytest.raises(InvalidClient) as refused:
        await world.grants.grant(form, authorization)
    assert refused.value.headers["www-authenticate"].startswith("Basic")


@pytest.mark.parametrize(
    "form", [TokenForm(), TokenForm("password", EMAIL), TokenForm("password", password="x"), TokenForm("refresh_token")]
)
async def test_a_missing_parameter_is_named(world: World, form: TokenForm) -> None:
    with pytest.raises(InvalidRequest, match="missing"):
        await world.grants.grant(form)


async def test_a_secret_is_shown_once(world: World) -> None:
    form = TokenForm("client_credentials", client_id="robot", client_secret="a-secret-of-a-robot")
    with pytest.raises(InvalidRequest, match="twice"):
        await world.grants.grant(form, basic("robot:a-secret-of-a-robot"))


async def test_other_grants_are_not_supported(world: World) -> None:
    with pytest.raises(UnsupportedGrantType) as refused:
        await world.grants.grant(TokenForm("implicit"))
    problem = refused.value.problem()
    assert problem.error == "unsupported_grant_type"
    assert problem.status == 400


async def test_guessing_gets_slower_and_a_right_password_clears_it(world: World) -> None:
    for _ in range(5):
        with pytest.raises(InvalidGrant):
            await world.grants.grant(TokenForm("password", EMAIL, "guess"))
    with pytest.raises(TooManyAttempts) as refused:
        await world.grants.grant(LOGIN)
    assert refused.value.headers["retry-after"] == "1"
    assert world.passwords.checked == 5
    world.clock.now += 1
    await world.grants.grant(LOGIN)
    with pytest.raises(InvalidGrant):
        await world.grants.grant(TokenForm("password", EMAIL, "guess"))


async def test_many_guesses_at_once_are_not_free(world: World) -> None:
    guesses = [world.grants.grant(TokenForm("password", EMAIL, f"guess {number}")) for number in range(50)]
    outcomes = await asyncio.gather(*guesses, return_exceptions=True)
    assert sum(isinstance(one, InvalidGrant) for one in outcomes) == 5
    assert sum(isinstance(one, TooManyAttempts) for one in outcomes) == 45


async def test_an_address_that_tries_many_accounts_gets_slower(world: World) -> None:
    for number in range(100):
        with pytest.raises(InvalidGrant):
            await world.grants.grant(
                TokenForm("password", f"user{number}@example.org", "guess"), "", "1.2.3.4, 10.0.0.9"
            )
    with pytest.raises(TooManyAttempts):
        await world.grants.grant(LOGIN, "", "5.6.7.8, 10.0.0.9")
    await world.grants.grant(LOGIN, "", "10.0.0.9, 5.6.7.8")


async def test_an_old_hash_is_made_anew_at_the_next_login(world: World) -> None:
    user_id = world.accounts.kept[EMAIL].user_id
    await world.accounts.set_password_hash(user_id, f"old hash of {PASSWORD}")
    await world.grants.grant(LOGIN)
    assert world.accounts.kept[EMAIL].password_hash == f"hash of {PASSWORD}"
