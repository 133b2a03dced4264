"""The auth service's settings: environment variables of the fields' names in capitals (``AUTH_TOKEN_LIFETIME``)."""

from __future__ import annotations

import msgspec

from atoll.security import RotationPolicy
from shop_auth.clients import read_clients

MIN_SECRET = 16  # characters
LEEWAY = 60.0  # seconds that a verifier may accept a token after its end; Envoy's default


class AuthSettings(msgspec.Struct, frozen=True):
    """Times are seconds.

    atoll_jwt_issuer, atoll_jwt_audience: what tokens say; verifiers read the same variables.
    auth_token_lifetime: of an access token. auth_session_lifetime: after that one logs in again, however often the session
      was renewed. auth_session_idle: a refresh token that is not used for so long is no good any more.
    auth_key_lifetime: how long a signing key signs. auth_key_ahead: how long it is published before.
    auth_key_secret: seals the signing keys in the database; without it only the database's own role protects them.
    auth_clients: machines, as JSON: {"robot": {"secret": "...", "scopes": ["payments:charge"], "roles": []}}.
    auth_admin_email, auth_admin_password: the first administrator, made at the start if there is no such account.
    auth_hash_threads: how many passwords are hashed at once; each takes 19 MiB and one core.
    """

    atoll_jwt_issuer: str = "shop-auth"
    atoll_jwt_audience: str = "shop"
    auth_token_lifetime: int = 600
    auth_session_lifetime: int = 30 * 86400
    auth_session_idle: int = 7 * 86400
    auth_key_lifetime: int = 7 * 86400
    auth_key_ahead: int = 3600
    auth_key_secret: str = ""
    auth_clients: str = ""
    auth_admin_email: str = ""
    auth_admin_password: str = ""
    auth_hash_threads: int = 2

    def __post_init__(self) -> None:
        """ValueError is one line for the operator; no secret is in it."""
        if min(self.auth_token_lifetime, self.auth_session_lifetime, self.auth_session_idle) < 1:
            raise ValueError("AUTH_TOKEN_LIFETIME, AUTH_SESSION_LIFETIME and AUTH_SESSION_IDLE are at least 1 s")
        if not 1 <= self.auth_hash_threads <= 64:
            raise ValueError("AUTH_HASH_THREADS is between 1 and 64")
        if self.auth_key_secret and len(self.auth_key_secret) < MIN_SECRET:
            raise ValueError(f"AUTH_KEY_SECRET is too short; give at least {MIN_SECRET} random characters")
        if bool(self.auth_admin_email) != bool(self.auth_admin_password):
            raise ValueError("AUTH_ADMIN_EMAIL and AUTH_ADMIN_PASSWORD belong together; give both or none")
        self.rotation()
        read_clients(self.auth_clients)

    def rotation(self) -> RotationPolicy:
        """When signing keys change."""
        return RotationPolicy(
            signs=self.auth_key_lifetime,
            ahead=self.auth_key_ahead,
            token_lifetime=self.auth_token_lifetime,
            leeway=LEEWAY,
        )

    def __repr__(self) -> str:
        return "AuthSettings(...)"  # half of it is secret
