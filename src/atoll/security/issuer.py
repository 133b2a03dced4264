"""Makes access tokens: JWTs signed with ES256, with the claims that the gateway and the services read."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from uuid import uuid4

import msgspec

from atoll.security.keys import SigningKey

_encode = msgspec.json.Encoder().encode


@dataclass(frozen=True, slots=True)
class IssuedToken:
    """A token and for how many seconds it is good."""

    text: str = field(repr=False)
    expires_in: int


class TokenIssuer:
    """issuer, audience: what tokens say. lifetime: whole seconds that they live. clock: seconds since 1970."""

    def __init__(self, issuer: str, audience: str, lifetime: int, clock: Callable[[], float] = time.time) -> None:
        if lifetime <= 0:
            raise ValueError(f"tokens that live {lifetime} s are of no use")
        self._issuer = issuer
        self._audience = audience
        self._lifetime = lifetime
        self._clock = clock

    def issue(self, key: SigningKey, subject: str, scopes: Iterable[str], roles: Iterable[str]) -> IssuedToken:
        """A token for ``subject``. Roles are there twice: as a list, and as text that a gateway copies to a header."""
        now = int(self._clock())
        roles = sorted(roles)
        claims = {
            "iss": self._issuer,
            "aud": self._audience,
            "sub": subject,
            "iat": now,
            "exp": now + self._lifetime,
            "jti": uuid4().hex,
            "scope": " ".join(sorted(scopes)),
            "roles": roles,
            "roles_text": " ".join(roles),
        }
        return IssuedToken(key.key.sign(_encode(claims)), self._lifetime)
