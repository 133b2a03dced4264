"""The token endpoint: three grants of OAuth 2 (RFC 6749), each ending in an access token."""

from __future__ import annotations

from atoll.security import TokenIssuer
from shop_auth.accounts import Accounts
from shop_auth.clients import Client, Clients, basic_credentials
from shop_auth.key_ring import KeyRing
from shop_auth.registering import Registrar
from shop_auth.scopes import chosen, roles_within
from shop_auth.sessions import RefreshTokens
from shop_auth.throttle import Guard, account_key, address_key
from shop_contracts import InvalidClient, InvalidGrant, InvalidRequest, Token, TokenForm, UnsupportedGrantType
from shop_contracts.scopes import MACHINE


class AccessTokens:
    """Signs access tokens with the key that is current."""

    def __init__(self, keys: KeyRing, issuer: TokenIssuer) -> None:
        self._keys = keys
        self._issuer = issuer

    async def ready(self) -> None:
        """Unavailable if no token could be signed now."""
        await self._keys.current()

    async def token(
        self, subject: str, scopes: frozenset[str], roles: frozenset[str], refresh_token: str = ""
    ) -> Token:
        """The reply of the token endpoint."""
        issued = self._issuer.issue(await self._keys.current(), subject, scopes, roles)
        scope = " ".join(sorted(scopes))
        if not refresh_token:
            return Token(issued.text, issued.expires_in, scope)
        return Token(issued.text, issued.expires_in, scope, refresh_token=refresh_token)


class UserGrants:
    """Tokens for people: by password, and by refresh token."""

    def __init__(self, registrar: Registrar, accounts: Accounts, sessions: RefreshTokens, access: AccessTokens) -> None:
        self._registrar = registrar
        self._accounts = accounts
        self._sessions = sessions
        self._access = access

    async def by_password(self, form: TokenForm, forwarded_for: str) -> Token:
        """InvalidGrant for a wrong name or password."""
        _need(form, "username", "password")
        account = await self._registrar.login(form.username, form.password, forwarded_for)
        scopes = chosen(form.scope, account.scopes)
        refresh = await self._sessions.begin(account.user_id, scopes)
        roles = roles_within(scopes, account.roles, account.scopes)
        return await self._access.token(account.user_id, scopes, roles, refresh)

    async def by_refresh_token(self, form: TokenForm) -> Token:
        """The session's scopes, or fewer; never those that the account's roles have lost since, nor a role without its scopes."""
        _need(form, "refresh_token")
        # All that can be refused is refused beforehand: whoever is refused must not lose the token.
        session = await self._sessions.find(form.refresh_token)
        account = await self._accounts.by_id(session.user_id)
        if account is None:
            raise InvalidGrant("the account is gone")
        scopes = chosen(form.scope, session.scopes & account.scopes)
        await self._access.ready()
        successor = await self._sessions.renew(form.refresh_token)
        roles = roles_within(scopes, account.roles, account.scopes)
        return await self._access.token(account.user_id, scopes, roles, successor)


class ClientGrants:
    """Tokens for machines. They get no refresh token (RFC 6749, section 4.4.3): their secret is one."""

    def __init__(self, clients: Clients, guard: Guard, access: AccessTokens) -> None:
        self._clients = clients
        self._guard = guard
        self._access = access

    async def by_credentials(self, form: TokenForm, authorization: str, forwarded_for: str) -> Token:
        """InvalidClient for a wrong id or secret."""
        client_id, secret = _credentials(form, authorization)
        async with self._guard.attempt(account_key(f"client {client_id}"), address_key(forwarded_for)) as attempt:
            client: Client | None = self._clients.authenticate(client_id, secret)
            if client is None:
                await attempt.failed()
                raise _invalid_client()
            await attempt.succeeded()
        scopes = chosen(form.scope, client.scopes)
        roles = client.roles if scopes == client.scopes else frozenset[str]()
        return await self._access.token(client_id, scopes, roles | {MACHINE})  # that it is a machine allows nothing


class Grants:
    """All grants, by their names."""

    def __init__(self, users: UserGrants, clients: ClientGrants) -> None:
        self._users = users
        self._clients = clients

    async def grant(self, form: TokenForm, authorization: str = "", forwarded_for: str = "") -> Token:
        """The token reply, or one of OAuth's errors."""
        match form.grant_type:
            case "password":
                return await self._users.by_password(form, forwarded_for)
            case "refresh_token":
                return await self._users.by_refresh_token(form)
            case "client_credentials":
                return await self._clients.by_credentials(form, authorization, forwarded_for)
            case "":
                raise InvalidRequest("grant_type is missing; send it in a form (application/x-www-form-urlencoded)")
        raise UnsupportedGrantType("grant_type is one of password, refresh_token, client_credentials")


def _need(form: TokenForm, *names: str) -> None:
    for name in names:
        if not getattr(form, name):
            raise InvalidRequest(f"{name} is missing in the form")


def _credentials(form: TokenForm, authorization: str) -> tuple[str, str]:
    if authorization:
        found = basic_credentials(authorization)
        if found is None:
            raise _invalid_client()
        if form.client_secret:
            raise InvalidRequest("the client shows its secret twice; use the authorization header or the form")
        return found
    if not (form.client_id and form.client_secret):
        raise _invalid_client("client_id and client_secret are missing (HTTP Basic or form)")
    return form.client_id, form.client_secret


def _invalid_client(why: str = "the client id or secret is wrong") -> InvalidClient:
    return InvalidClient(why, headers={"www-authenticate": 'Basic realm="shop"'})
