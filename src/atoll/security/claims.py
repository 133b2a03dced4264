"""What a token says (RFC 7519), and whether it holds now and here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from atoll.service import Caller


class Claims(msgspec.Struct, frozen=True):
    """The claims that matter. ``scope`` is space separated (RFC 8693); times are seconds since 1970."""

    iss: str
    aud: str | list[str]
    sub: str
    exp: float
    nbf: float = 0.0
    scope: str = ""
    roles: Sequence[str] = ()

    def caller(self) -> Caller:
        """Who the token speaks for."""
        return Caller(self.sub, frozenset(self.scope.split()), frozenset(self.roles))


@dataclass(frozen=True, slots=True)
class Expected:
    """What a verifier accepts. leeway: seconds that two clocks may differ."""

    issuer: str
    audience: str
    leeway: float


_decode = msgspec.json.Decoder(Claims).decode


def read_claims(payload: bytes) -> Claims | None:
    """The claims; None if one is missing or of the wrong type."""
    try:
        return _decode(payload)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None


def refusal(claims: Claims, expected: Expected, now: float) -> str:
    """Why these claims do not hold; empty if they do."""
    if claims.exp + expected.leeway <= now:
        return "the token has expired; get a new one"
    if claims.nbf - expected.leeway > now:
        return "the token is not valid yet"
    if claims.iss != expected.issuer:
        return "the token was made by another issuer"
    audiences = [claims.aud] if isinstance(claims.aud, str) else claims.aud
    if expected.audience not in audiences:
        return "the token is for another audience"
    if not claims.sub:
        return "the token names no subject"
    return ""
