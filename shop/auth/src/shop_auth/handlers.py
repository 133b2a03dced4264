"""The operations of the auth service. Each takes its own short transactions: no connection waits for a password hash."""

from __future__ import annotations

from typing import Annotated

from atoll.contracts import NotFound
from atoll.service import Caller, Header, implements
from shop_auth.accounts import Account, Accounts
from shop_auth.granting import Grants
from shop_auth.key_ring import KeyRing
from shop_auth.registering import Registrar
from shop_auth.sessions import RefreshTokens
from shop_contracts import (
    Auth,
    InvalidRequest,
    Jwk,
    Jwks,
    Logout,
    Me,
    Register,
    Registered,
    RevokeForm,
    SetRoles,
    Token,
    TokenForm,
    UnsupportedTokenType,
    UserId,
)

GATEWAY = "gateway"
ForwardedFor = Annotated[str, Header("x-forwarded-for")]
Authorization = Annotated[str, Header("authorization")]


@implements(Auth.register)
async def register(
    command: Register, registrar: Registrar, caller: Caller | None, forwarded_for: ForwardedFor = ""
) -> Registered:
    """Makes an account."""
    return Registered(await registrar.register(command.email, command.password, _address(caller, forwarded_for)))


@implements(Auth.token)
async def token(
    form: TokenForm, grants: Grants, caller: Caller | None, authorization: Authorization = "",
    forwarded_for: ForwardedFor = "",
) -> Token:  # fmt: skip
    """Gives tokens."""
    return await grants.grant(form, authorization, _address(caller, forwarded_for))


@implements(Auth.revoke)
async def revoke(form: RevokeForm, sessions: RefreshTokens) -> None:
    """Ends a refresh token's session. Says yes to an unknown token too (RFC 7009, section 2.2)."""
    if not form.token:
        raise InvalidRequest("token is missing in the form")
    if form.token.count(".") == 2:
        raise UnsupportedTokenType("access tokens end by themselves; revoke the refresh token")
    await sessions.end(form.token)


@implements(Auth.logout)
async def logout(command: Logout, caller: Caller, sessions: RefreshTokens) -> None:
    """Ends one session of the caller, or all."""
    user_id = UserId(caller.subject)
    if command.refresh_token:
        await sessions.end(command.refresh_token, user_id)
    else:
        await sessions.end_all(user_id)


@implements(Auth.me)
async def me(caller: Caller, accounts: Accounts) -> Me:
    """Whom the token speaks for, and what this very token may do."""
    account = await accounts.by_id(UserId(caller.subject))
    email = account.email if account else ""
    return Me(UserId(caller.subject), email, tuple(sorted(caller.roles)), tuple(sorted(caller.scopes)))


@implements(Auth.set_roles)
async def set_roles(command: SetRoles, accounts: Accounts) -> Me:
    """Changes what an account may do from its next token on."""
    account = await accounts.set_roles(command.user_id, frozenset(command.roles))
    if account is None:
        raise NotFound("there is no such account")
    return _me(account)


@implements(Auth.jwks)
async def jwks(keys: KeyRing) -> Jwks:
    """The public keys."""
    public = [key.key.public_jwk() for key in await keys.published()]
    return Jwks(tuple(Jwk(kid=one["kid"], x=one["x"], y=one["y"]) for one in public))


def _me(account: Account) -> Me:
    return Me(account.user_id, account.email, tuple(sorted(account.roles)), tuple(sorted(account.scopes)))


def _address(caller: Caller | None, forwarded_for: str) -> str:
    """Only the gateway is believed about where a request comes from."""
    return forwarded_for if caller is not None and caller.peer == GATEWAY else ""
