"""Keys and signatures of ES256 (ECDSA on P-256 with SHA-256), by joserfc. No other algorithm gets in or out.

joserfc is imported when the first key is made: with all that it brings it costs 100 ms and 12 MB, and a service behind a
gateway never sees a token.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from joserfc.jws import JWSRegistry

ALGORITHM = "ES256"
CURVE = "P-256"


class KeyMistake(ValueError):
    """What was given is no key for ES256."""


class PublicKey:
    """Verifies. ``kid``: the key's name in token headers."""

    def __init__(self, jwk: Mapping[str, Any]) -> None:
        """jwk: RFC 7517 members; KeyMistake for anything but a P-256 key to verify signatures with."""
        if jwk.get("kty") != "EC" or jwk.get("crv") != CURVE or not isinstance(jwk.get("kid"), str) or not jwk["kid"]:
            raise KeyMistake("not a P-256 key with a kid")
        if jwk.get("use", "sig") != "sig" or jwk.get("alg", ALGORITHM) != ALGORITHM:
            raise KeyMistake("a key for something else than ES256 signatures")
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey

        self.kid: str = jwk["kid"]
        try:
            self._key = ECKey.import_key({"kty": "EC", "crv": CURVE, "x": jwk["x"], "y": jwk["y"]})
            self._key.raw_value  # noqa: B018 - decodes the point, which may not lie on the curve
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise KeyMistake("its x and y are no point of P-256") from error

    def verified(self, token: str) -> bytes | None:
        """The payload, if this key signed the token; else None."""
        from joserfc import jws
        from joserfc.errors import JoseError

        try:
            return jws.deserialize_compact(token, self._key, registry=_registry()).payload
        except (JoseError, ValueError):
            return None


class PrivateKey:
    """Signs. Its ``kid`` is its RFC 7638 thumbprint, so that two keys never share one. Never shows itself."""

    def __init__(self, text: str) -> None:
        """text: what `text` gave; KeyMistake for anything else."""
        from joserfc.errors import JoseError
        from joserfc.jwk import ECKey

        try:
            self._key = ECKey.import_key(json.loads(text))
            private = self._key.is_private and self._key.curve_name == CURVE
        except (JoseError, ValueError, TypeError, KeyError) as error:
            raise KeyMistake("the stored key cannot be read") from error
        if not private:
            raise KeyMistake("the stored key is not a private key of P-256")
        self.kid = self._key.thumbprint()
        self._header = {"alg": ALGORITHM, "kid": self.kid, "typ": "JWT"}

    @classmethod
    def generate(cls) -> PrivateKey:
        """A new key."""
        from joserfc.jwk import ECKey

        return cls(json.dumps(ECKey.generate_key(CURVE, private=True).as_dict(private=True)))

    def text(self) -> str:
        """The private key itself, for storing. A secret."""
        return json.dumps(self._key.as_dict(private=True))

    def sign(self, payload: bytes) -> str:
        """A compact JWS, about 40 us."""
        from joserfc import jws

        return jws.serialize_compact(self._header, payload, self._key, registry=_registry())

    def public_jwk(self) -> dict[str, str]:
        """What may be published: RFC 7517 members with kid, use and alg."""
        members = self._key.as_dict(private=False)
        return {
            "kty": "EC", "crv": CURVE, "x": str(members["x"]), "y": str(members["y"]),
            "kid": self.kid, "use": "sig", "alg": ALGORITHM,
        }  # fmt: skip

    def __repr__(self) -> str:
        return f"PrivateKey(kid={self.kid!r})"


@cache
def _registry() -> JWSRegistry:
    from joserfc import jws

    return jws.JWSRegistry(algorithms=[ALGORITHM])
