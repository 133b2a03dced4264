"""An issuer with a key, its published keys, and any token a test wants."""

from __future__ import annotations

import base64
import json
from typing import Any

from atoll.security import PrivateKey, TokenVerifier

NOW = 1_800_000_000.0
ISSUER, AUDIENCE = "shop-auth", "shop"
KEY = PrivateKey.generate()
OTHER_KEY = PrivateKey.generate()


def claims(**changes: Any) -> dict[str, Any]:
    whole = {
        "iss": ISSUER, "aud": AUDIENCE, "sub": "u1", "exp": NOW + 600,
        "scope": "orders:read orders:write", "roles": ["user"],
    }  # fmt: skip
    return {name: value for name, value in {**whole, **changes}.items() if value is not None}


def token(key: PrivateKey = KEY, **changes: Any) -> str:
    return key.sign(json.dumps(claims(**changes)).encode())


def with_header(header: Any, signed: str) -> str:
    """The same payload and signature under another header."""
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return ".".join([base64.urlsafe_b64encode(text).rstrip(b"=").decode(), *signed.split(".")[1:]])


class Published:
    """Serves a JWKS; can be away; counts how often it is asked."""

    def __init__(self, *keys: PrivateKey) -> None:
        self.keys = list(keys)
        self.away = False
        self.fetched = 0

    async def fetch(self, url: str) -> bytes:
        assert url == "http://auth/.well-known/jwks.json"
        self.fetched += 1
        if self.away:
            raise ConnectionError("connection refused")
        return json.dumps({"keys": [key.public_jwk() for key in self.keys]}).encode()


class Clock:
    def __init__(self, now: float = NOW) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


def verifier(published: Published, clock: Clock | None = None) -> TokenVerifier:
    return TokenVerifier("http://auth/.well-known/jwks.json", ISSUER, AUDIENCE, published.fetch, clock=clock or Clock())
