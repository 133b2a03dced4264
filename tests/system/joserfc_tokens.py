"""Tokens that look right and are not, made with joserfc."""

from __future__ import annotations

import base64
import json
import time
from typing import Any

from joserfc import jwt
from joserfc.jwk import ECKey
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows

from shop_auth.cryptography import KeySeal


def claims_of(token: str) -> dict[str, Any]:
    """What a token says."""
    part = token.split(".")[1]
    claims: dict[str, Any] = json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return claims


def signing_key(shop: LocalSystem) -> tuple[str, ECKey]:
    """The auth service's own key that signs now, with its id."""
    found = rows(
        shop, "auth", "SELECT kid, sealed FROM signing_keys WHERE signs_from <= now() ORDER BY generation DESC LIMIT 1"
    )[0]
    seal = KeySeal(shop.environment("auth")["AUTH_KEY_SECRET"])  # what the platform told the service, and nobody else
    return found["kid"], ECKey.import_key(json.loads(seal.open(found["sealed"], found["kid"])))


def stranger() -> ECKey:
    """A key that nobody trusts."""
    return ECKey.generate_key("P-256", private=True)


def signed(claims: dict[str, Any], kid: str, key: ECKey) -> str:
    return jwt.encode({"alg": "ES256", "kid": kid, "typ": "JWT"}, claims, key)


def unsigned(claims: dict[str, Any], kid: str) -> str:
    """A token of the algorithm "none"."""
    parts = ({"alg": "none", "kid": kid, "typ": "JWT"}, claims)
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def wrong_tokens(shop: LocalSystem, good: str) -> dict[str, str]:
    """By what is wrong with each; all else is as in the good one."""
    kid, key = signing_key(shop)
    claims = claims_of(good)
    past = int(time.time()) - 3600
    return {
        "expired": signed({**claims, "iat": past - 600, "exp": past}, kid, key),
        "audience": signed({**claims, "aud": "another"}, kid, key),
        "issuer": signed({**claims, "iss": "another"}, kid, key),
        "none": unsigned(claims, kid),
        "unknown kid": signed(claims, "nobody", stranger()),
        "another's key": signed(claims, kid, stranger()),
        "tampered": good[:-8] + ("AAAAAAAA" if good[-8:] != "AAAAAAAA" else "BBBBBBBB"),
        "no token": "x",
    }


def with_scopes(shop: LocalSystem, good: str, *scopes: str) -> str:
    """A valid token with other scopes."""
    kid, key = signing_key(shop)
    return signed({**claims_of(good), "scope": " ".join(scopes)}, kid, key)
