"""Services that know each other by a secret, and the headers in which they pass on for whom they ask.

The caller's headers are believed only beside a peer's secret.
"""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from functools import lru_cache
from hmac import compare_digest

from atoll.contracts import Unauthenticated
from atoll.service import Caller

PEER = "atoll-peer"
SUBJECT = "atoll-subject"
SCOPES = "atoll-scopes"
ROLES = "atoll-roles"
_REMEMBERED = 4096  # callers; each is a few hundred bytes


class Peers:
    """Who may call and speak for others: {name: secret}."""

    def __init__(self, known: Mapping[str, str]) -> None:
        for name, secret in known.items():
            if not name or ":" in name or not secret:
                raise ValueError(f"peer {name!r}: a peer has a name without a colon and a secret that is not empty")
        self._secrets = {name: secret.encode() for name, secret in known.items()}
        # An unknown name is compared with this, so that it takes as long as a wrong secret.
        self._nobody = secrets.token_hex().encode()

    def caller(self, shown: str, headers: Mapping[str, str]) -> Caller:
        """The caller that the peer speaks for; Unauthenticated if ``shown`` (``name:secret``) is not right."""
        name, _, secret = shown.partition(":")
        if not compare_digest(secret.encode("utf-8", "surrogateescape"), self._secrets.get(name, self._nobody)):
            raise Unauthenticated("the peer secret is wrong; is it the one that this service knows for this peer?")
        return _caller(name, headers.get(SUBJECT, ""), headers.get(SCOPES, ""), headers.get(ROLES, ""))


def peer_header(name: str, secret: str) -> str:
    """The value of ``atoll-peer`` that this service shows to another."""
    return f"{name}:{secret}"


@lru_cache(_REMEMBERED)
def identity_headers(caller: Caller | None) -> Mapping[str, str]:
    """The headers that pass a caller on to the next service; none for a caller who is nobody. Do not change them."""
    if caller is None or not caller.subject:
        return {}
    return {
        SUBJECT: caller.subject,
        SCOPES: " ".join(sorted(caller.scopes)),
        ROLES: " ".join(sorted(caller.roles)),
    }


@lru_cache(_REMEMBERED)
def _caller(peer: str, subject: str, scopes: str, roles: str) -> Caller:
    """Callers are immutable, so that one object serves all requests of one session."""
    if not subject:
        return Caller(peer=peer)
    return Caller(subject, frozenset(scopes.split()), frozenset(roles.split()), peer)
