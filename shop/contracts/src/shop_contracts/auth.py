"""What the auth service promises: accounts, tokens (OAuth 2) and the keys that verify them.

Access tokens are JWTs signed with ES256. They live for minutes and cannot be called back; logout and revocation end the
session that would renew them.
"""

from __future__ import annotations

from typing import Annotated, Literal

from msgspec import UNSET, Meta, UnsetType

from atoll.contracts import (
    PUBLIC,
    Access,
    Api,
    BadRequest,
    Conflict,
    Input,
    Message,
    NotFound,
    Operation,
    Problem,
    Surface,
    TooManyRequests,
    Unauthenticated,
)
from shop_contracts.ids import UserId
from shop_contracts.scopes import ADMIN, USERS_WRITE

NO_STORE = "no-store"  # RFC 6749, section 5.1: replies with tokens must not be cached
JWKS_MAX_AGE = 300  # seconds; keys are published far longer than that before they sign

Email = Annotated[str, Meta(min_length=3, max_length=254, extra_json_schema={"format": "email"})]
Password = Annotated[str, Meta(min_length=8, max_length=128)]
FormText = Annotated[str, Meta(max_length=4096)]


class OAuthProblem(Problem, frozen=True, omit_defaults=True):
    """A problem document that OAuth clients read too (RFC 6749, section 5.2)."""

    error: str = ""
    error_description: str = ""


class OAuthFailure:
    """Adds OAuth's members to an `Error`: code ``invalid-grant`` is the OAuth error ``invalid_grant``."""

    code: str
    detail: str

    def problem(self) -> OAuthProblem:
        """The problem document with both vocabularies."""
        plain: Problem = super().problem()  # type: ignore[misc]  # an Error stands next in the order of bases
        return OAuthProblem(
            type=plain.type, title=plain.title, status=plain.status, detail=plain.detail, errors=plain.errors,
            error=self.code.replace("-", "_"), error_description=plain.detail,
        )  # fmt: skip


class InvalidRequest(OAuthFailure, BadRequest, code="invalid-request"):
    """A parameter of the form is missing or makes no sense."""


class InvalidGrant(OAuthFailure, BadRequest, code="invalid-grant"):
    """The user name and password, or the refresh token, are not valid (any more)."""


class UnsupportedGrantType(OAuthFailure, BadRequest, code="unsupported-grant-type"):
    """``grant_type`` is not password, refresh_token or client_credentials."""


class InvalidScope(OAuthFailure, BadRequest, code="invalid-scope"):
    """A scope was asked for that this user or client may not have."""


class UnsupportedTokenType(OAuthFailure, BadRequest, code="unsupported-token-type"):
    """Access tokens end by themselves; only refresh tokens can be revoked (RFC 7009, section 2.2.1)."""


class InvalidClient(OAuthFailure, Unauthenticated, code="invalid-client"):
    """The client id and secret are not right."""


class TooManyAttempts(TooManyRequests, code="too-many-attempts"):
    """Too many wrong passwords for this account or from this address; ``retry-after`` says when to come back."""


class EmailTaken(Conflict, code="email-taken"):
    """There is an account with this email address."""


class Register(Input):
    """A new account. Emails are compared without regard to case and to spaces around them."""

    email: Email
    password: Password

    def __repr__(self) -> str:
        return f"Register(email={self.email!r})"


class Registered(Message):
    """The new account's id, the ``sub`` of its tokens."""

    user_id: UserId


class TokenForm(Message):
    """OAuth 2's token request, as a form. Unknown parameters are ignored, as RFC 6749, section 3.2, wants it.

    grant_type: ``password`` (username is the email), ``refresh_token`` or ``client_credentials`` (id and secret here
      or by HTTP Basic). scope: fewer scopes than one may have, space separated; all of them when it is empty.
    """

    grant_type: FormText = ""
    username: FormText = ""
    password: FormText = ""
    refresh_token: FormText = ""
    client_id: FormText = ""
    client_secret: FormText = ""
    scope: FormText = ""

    def __repr__(self) -> str:
        return f"TokenForm(grant_type={self.grant_type!r})"


class Token(Message):
    """OAuth 2's token reply. expires_in: seconds. A refresh token is good for one use; machines get none."""

    access_token: str
    expires_in: int
    scope: str
    token_type: Literal["Bearer"] = "Bearer"  # noqa: S105 - a word of the protocol
    refresh_token: str | UnsetType = UNSET

    def __repr__(self) -> str:
        return f"Token(expires_in={self.expires_in}, scope={self.scope!r})"


class RevokeForm(Message):
    """RFC 7009's revocation request, as a form."""

    token: FormText = ""
    token_type_hint: FormText = ""

    def __repr__(self) -> str:
        return "RevokeForm()"


class Logout(Input):
    """Ends the session of this refresh token; without one, all sessions of the caller."""

    refresh_token: FormText = ""

    def __repr__(self) -> str:
        return "Logout()"


class Me(Message):
    """An account, or the machine, that a token speaks for. email: empty for a machine."""

    user_id: UserId
    email: str
    roles: tuple[str, ...]
    scopes: tuple[str, ...]


class SetRoles(Input):
    """The roles that an account has from its next token on: a refreshed one loses what was taken, a new one has all.

    A token for fewer scopes than the account has carries no role whose scopes it lacks.
    """

    user_id: UserId
    roles: Annotated[tuple[Literal["user", "admin", "warehouse"], ...], Meta(max_length=10)]


class Jwk(Message):
    """A public key (RFC 7517) of the curve P-256; x and y in base64url."""

    kid: str
    x: str
    y: str
    kty: Literal["EC"] = "EC"
    crv: Literal["P-256"] = "P-256"
    alg: Literal["ES256"] = "ES256"
    use: Literal["sig"] = "sig"


class Jwks(Message):
    """The keys that verify this service's tokens: the next, the current, and retired ones whose tokens still live."""

    keys: tuple[Jwk, ...]


class Auth(Api):
    """Accounts and tokens."""

    register = Operation(
        "POST /auth/register", Register, Registered, access=PUBLIC, errors=(EmailTaken, TooManyAttempts),
        http=Surface(status=201), summary="Create an account",
    )  # fmt: skip
    token = Operation(
        "POST /auth/token", TokenForm, Token, access=PUBLIC,
        errors=(InvalidRequest, InvalidGrant, InvalidClient, InvalidScope, UnsupportedGrantType, TooManyAttempts),
        http=Surface(form=True, cache_control=NO_STORE), summary="Get tokens (OAuth 2)",
    )  # fmt: skip
    revoke = Operation(
        "POST /auth/revoke", RevokeForm, None, access=PUBLIC, idempotent=True,
        errors=(InvalidRequest, UnsupportedTokenType),
        http=Surface(form=True, cache_control=NO_STORE), summary="Revoke a refresh token (RFC 7009)",
    )  # fmt: skip
    logout = Operation(
        "POST /auth/logout", Logout, None, idempotent=True, http=Surface(status=204), summary="End one session, or all"
    )
    me = Operation("GET /auth/me", None, Me, summary="Whom the token speaks for")
    set_roles = Operation(
        "PUT /auth/users/{user_id}/roles", SetRoles, Me, access=Access(scopes=(USERS_WRITE,), roles=(ADMIN,)),
        errors=(NotFound,), summary="Set an account's roles",
    )  # fmt: skip
    jwks = Operation(
        "GET /.well-known/jwks.json", None, Jwks, access=PUBLIC,
        http=Surface(cache_control=f"public, max-age={JWKS_MAX_AGE}", polled=True), summary="The keys that verify tokens",
    )  # fmt: skip
