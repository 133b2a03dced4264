"""What the handlers are given: made once a process, from the settings and the database."""

from __future__ import annotations

from collections.abc import AsyncIterator

from atoll.data import Database
from atoll.security import TokenIssuer
from shop_auth.account_table import AccountTable
from shop_auth.accounts import Accounts, Passwords
from shop_auth.argon2 import Argon2Passwords
from shop_auth.attempt_table import AttemptTable
from shop_auth.clients import Clients, read_clients
from shop_auth.cryptography import KeySeal
from shop_auth.granting import AccessTokens, ClientGrants, Grants, UserGrants
from shop_auth.housekeeping import Housekeeping
from shop_auth.key_ring import KeyRing
from shop_auth.key_table import KeyTable
from shop_auth.registering import Registrar
from shop_auth.session_table import SessionTable
from shop_auth.sessions import RefreshTokens
from shop_auth.settings import AuthSettings
from shop_auth.throttle import Guard


async def passwords(settings: AuthSettings) -> AsyncIterator[Passwords]:
    """The hashing threads."""
    made = Argon2Passwords(settings.auth_hash_threads)
    try:
        yield made
    finally:
        await made.close()


def accounts(database: Database) -> Accounts:
    """Accounts in the database."""
    return AccountTable(database)


def session_table(database: Database) -> SessionTable:
    """Sessions in the database."""
    return SessionTable(database)


def attempt_table(database: Database) -> AttemptTable:
    """Failed attempts in the database."""
    return AttemptTable(database)


def guard(attempts: AttemptTable) -> Guard:
    """Against brute force."""
    return Guard(attempts)


def registrar(accounts: Accounts, passwords: Passwords, guard: Guard) -> Registrar:
    """New accounts and logins."""
    return Registrar(accounts, passwords, guard)


def sessions(table: SessionTable, settings: AuthSettings) -> RefreshTokens:
    """Sessions and their tokens."""
    return RefreshTokens(table, settings.auth_session_lifetime, settings.auth_session_idle)


def key_ring(database: Database, settings: AuthSettings) -> KeyRing:
    """The signing keys."""
    return KeyRing(KeyTable(database, KeySeal(settings.auth_key_secret)), settings.rotation())


def access_tokens(keys: KeyRing, settings: AuthSettings) -> AccessTokens:
    """Signs access tokens."""
    issuer = TokenIssuer(settings.atoll_jwt_issuer, settings.atoll_jwt_audience, settings.auth_token_lifetime)
    return AccessTokens(keys, issuer)


def user_grants(registrar: Registrar, accounts: Accounts, sessions: RefreshTokens, access: AccessTokens) -> UserGrants:
    """Tokens for people."""
    return UserGrants(registrar, accounts, sessions, access)


def client_grants(settings: AuthSettings, guard: Guard, access: AccessTokens) -> ClientGrants:
    """Tokens for machines."""
    return ClientGrants(Clients(read_clients(settings.auth_clients)), guard, access)


def grants(users: UserGrants, clients: ClientGrants) -> Grants:
    """The token endpoint."""
    return Grants(users, clients)


async def housekeeping(
    registrar: Registrar, sessions: SessionTable, attempts: AttemptTable, keys: KeyRing, settings: AuthSettings
) -> AsyncIterator[Housekeeping]:
    """What runs beside requests."""
    made = Housekeeping(registrar, sessions, attempts, keys)
    made.start(settings)
    try:
        yield made
    finally:
        await made.stop()


PROVIDERS = (
    passwords, accounts, session_table, attempt_table, guard, registrar, sessions, key_ring, access_tokens,
    user_grants, client_grants, grants, housekeeping,
)  # fmt: skip
