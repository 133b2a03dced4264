"""The service's ports: what the fakes promise, PostgreSQL keeps."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import pytest
from shop.auth.tests.fakes import NOW, FakeAccounts, FakeAttempts, FakeKeyStore, FakeSessions

from atoll.contracts import uuid7
from atoll.data import Database
from atoll.security import PrivateKey, SigningKey
from shop_auth.account_table import AccountTable
from shop_auth.accounts import Account, Accounts
from shop_auth.attempt_table import AttemptTable
from shop_auth.cryptography import KeySeal
from shop_auth.key_ring import KeyStore
from shop_auth.key_table import KeyTable
from shop_auth.session_table import SessionTable
from shop_auth.sessions import NotRenewed, Session, Sessions, StoredToken, digest
from shop_auth.throttle import Attempts, Failures
from shop_contracts import UserId


@dataclass
class Ports:
    accounts: Accounts
    sessions: Sessions
    attempts: Attempts
    keys: KeyStore


@pytest.fixture(params=["memory", "postgres"])
def ports(request: pytest.FixtureRequest) -> Ports:
    if request.param == "memory":
        return Ports(FakeAccounts(), FakeSessions(), FakeAttempts(), FakeKeyStore())
    database: Database = request.getfixturevalue("database")
    return Ports(
        AccountTable(database),
        SessionTable(database),
        AttemptTable(database),
        KeyTable(database, KeySeal("a secret of the operator")),
    )


def account(email: str = "ada@example.org") -> Account:
    return Account(UserId(str(uuid7())), email, "a hash", frozenset({"user"}))


async def test_an_account_is_found_by_email_and_by_id(ports: Ports) -> None:
    ada = account()
    assert await ports.accounts.add(ada)
    assert await ports.accounts.by_email(ada.email) == ada
    assert await ports.accounts.by_id(ada.user_id) == ada
    assert await ports.accounts.by_email("eve@example.org") is None


async def test_an_email_is_taken_once(ports: Ports) -> None:
    added = await asyncio.gather(*(ports.accounts.add(account()) for _ in range(5)))
    assert sorted(added) == [False] * 4 + [True]


@pytest.mark.parametrize("nobody", ["robot", "", "018f0000-0000-7000-8000-000000000001"])
async def test_a_machine_is_no_account(ports: Ports, nobody: str) -> None:
    assert await ports.accounts.by_id(UserId(nobody)) is None
    assert await ports.accounts.set_roles(UserId(nobody), frozenset({"admin"})) is None


async def test_roles_and_hash_change(ports: Ports) -> None:
    ada = account()
    await ports.accounts.add(ada)
    changed = await ports.accounts.set_roles(ada.user_id, frozenset({"user", "admin"}))
    await ports.accounts.set_password_hash(ada.user_id, "another hash")
    found = await ports.accounts.by_id(ada.user_id)
    assert changed is not None
    assert found is not None
    assert changed.roles == found.roles == {"user", "admin"}
    assert found.password_hash == "another hash"


def stored(text: str, expires_at: float = NOW + 300) -> StoredToken:
    return StoredToken(digest(text), expires_at)


async def begun(ports: Ports, text: str, expires_at: float = NOW + 1000, email: str = "ada@example.org") -> Session:
    owner = await ports.accounts.by_email(email)
    if owner is None:
        owner = account(email)
        await ports.accounts.add(owner)
    session = Session(str(uuid7()), owner.user_id, frozenset({"orders:read"}), expires_at)
    await ports.sessions.begin(session, stored(text))
    return session


async def test_a_token_is_renewed_once(ports: Ports) -> None:
    session = await begun(ports, "first")
    assert await ports.sessions.renew(digest("first"), stored("second"), NOW) == session
    assert await ports.sessions.renew(digest("second"), stored("third"), NOW) == session
    assert await ports.sessions.renew(digest("first"), stored("stolen"), NOW) is NotRenewed.REUSED
    assert await ports.sessions.renew(digest("third"), stored("fourth"), NOW) is NotRenewed.UNKNOWN
    assert await ports.sessions.renew(digest("stolen"), stored("fifth"), NOW) is NotRenewed.UNKNOWN


async def test_a_token_that_is_looked_at_stays_good(ports: Ports) -> None:
    session = await begun(ports, "first")
    for _ in range(2):
        assert await ports.sessions.find(digest("first"), NOW) == session
    assert await ports.sessions.find(digest("first"), NOW + 300) is NotRenewed.UNKNOWN
    assert await ports.sessions.renew(digest("first"), stored("second"), NOW) == session
    assert await ports.sessions.find(digest("first"), NOW) is NotRenewed.REUSED
    assert await ports.sessions.find(digest("second"), NOW) == session
    await ports.sessions.end(digest("second"))
    assert await ports.sessions.find(digest("first"), NOW) is NotRenewed.UNKNOWN


async def test_of_many_who_come_with_one_token_one_gets_a_session(ports: Ports) -> None:
    await begun(ports, "first")
    outcomes = await asyncio.gather(
        *(ports.sessions.renew(digest("first"), stored(f"next {number}"), NOW) for number in range(8))
    )
    assert sum(isinstance(one, Session) for one in outcomes) == 1
    assert NotRenewed.REUSED in outcomes


async def test_what_is_over_is_not_renewed(ports: Ports) -> None:
    await begun(ports, "idle")
    await begun(ports, "old", expires_at=NOW + 100)
    assert await ports.sessions.renew(digest("idle"), stored("x"), NOW + 300) is NotRenewed.UNKNOWN
    assert await ports.sessions.renew(digest("old"), stored("y"), NOW + 100) is NotRenewed.UNKNOWN
    assert await ports.sessions.renew(digest("never"), stored("z"), NOW) is NotRenewed.UNKNOWN


async def test_a_session_is_ended_by_its_owner_or_by_whoever_revokes_the_token(ports: Ports) -> None:
    session = await begun(ports, "a")
    await ports.sessions.end(digest("a"), UserId("robot"))
    await ports.sessions.end(digest("never"))
    assert await ports.sessions.renew(digest("a"), stored("b"), NOW) == session
    await ports.sessions.end(digest("b"), session.user_id)
    assert await ports.sessions.renew(digest("b"), stored("c"), NOW) is NotRenewed.UNKNOWN
    await begun(ports, "d")
    await ports.sessions.end(digest("d"))
    assert await ports.sessions.renew(digest("d"), stored("e"), NOW) is NotRenewed.UNKNOWN


async def test_all_sessions_of_one_user_end_together(ports: Ports) -> None:
    session = await begun(ports, "a")
    await begun(ports, "b")
    eves = await begun(ports, "c", email="eve@example.org")
    await ports.sessions.end_all(session.user_id)
    await ports.sessions.end_all(UserId("robot"))
    for text in ("a", "b"):
        assert await ports.sessions.renew(digest(text), stored("next of " + text), NOW) is NotRenewed.UNKNOWN
    assert await ports.sessions.renew(digest("c"), stored("d"), NOW) == eves


async def test_failures_are_counted_until_it_is_quiet(ports: Ports) -> None:
    for at in (0, 1, 2):
        await ports.attempts.add(["account:a", "address:b"], NOW + at, 900)
    assert await ports.attempts.failures(["account:a", "account:x"]) == {"account:a": Failures(3, NOW + 2)}
    await ports.attempts.clear("account:a")
    await ports.attempts.add(["account:a", "address:b"], NOW + 10, 900)
    await ports.attempts.add(["address:b"], NOW + 911, 900)
    found = await ports.attempts.failures(["account:a", "address:b"])
    assert found == {"account:a": Failures(1, NOW + 10), "address:b": Failures(1, NOW + 911)}


async def test_failures_at_the_same_time_all_count(ports: Ports) -> None:
    await asyncio.gather(*(ports.attempts.add(["b", "a"], NOW, 900) for _ in range(20)))
    assert await ports.attempts.failures(["a", "b"]) == {"a": Failures(20, NOW), "b": Failures(20, NOW)}


async def test_a_generation_has_one_key(ports: Ports) -> None:
    keys = [SigningKey(1, NOW, PrivateKey.generate()) for _ in range(3)]
    await asyncio.gather(*(ports.keys.add(key) for key in keys))
    await ports.keys.add(SigningKey(2, NOW + 0.25, PrivateKey.generate()))
    first, second = await ports.keys.load()
    assert first.kid in {key.kid for key in keys}
    assert (second.generation, second.signs_from) == (2, NOW + 0.25)
    await ports.keys.remove(1)
    assert [key.generation for key in await ports.keys.load()] == [2]


async def test_stored_keys_and_tokens_do_not_show_themselves(database: Database) -> None:
    key = SigningKey(1, NOW, PrivateKey.generate())
    table = KeyTable(database, KeySeal("a secret of the operator"))
    await table.add(key)
    async with database.work() as work:
        sealed = await work.fetchval("SELECT sealed FROM signing_keys")
    assert sealed.startswith("aes-256-gcm:")
    assert [one.kid for one in await table.load()] == [key.kid]


async def test_what_is_over_is_forgotten(database: Database) -> None:
    ports = Ports(
        AccountTable(database), sessions := SessionTable(database), attempts := AttemptTable(database), FakeKeyStore()
    )
    await begun(ports, "over", expires_at=NOW)
    await begun(ports, "alive")
    await attempts.add(["account:a"], NOW, 900)
    await sessions.forget(NOW + 86401)
    await attempts.forget(NOW + 1)
    async with database.work() as work:
        assert await work.fetchval("SELECT count(*) FROM refresh_tokens") == 1
        assert await work.fetchval("SELECT count(*) FROM failed_attempts") == 0
