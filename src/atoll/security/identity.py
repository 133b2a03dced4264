"""From a request's headers to its `Caller`: a peer's word first, else a bearer token, else nobody."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from atoll.contracts import Unauthenticated
from atoll.security.peers import PEER, Peers
from atoll.security.verifier import TokenVerifier
from atoll.service import Caller

Identify = Callable[[Mapping[str, str]], Awaitable[Caller | None]]
"""Headers by lower-case name -> who asks; None for nobody; Unauthenticated for credentials that are wrong."""


def make_identify(peers: Mapping[str, str], tokens: TokenVerifier | None) -> Identify:
    """How a service finds out who asks.

    peers: {peer name: secret}, who may pass on a caller's identity. Anyone else's identity headers are not looked at.
    tokens: verifies bearer tokens of direct callers; None where a token can only mean that a part is not configured.

    A peer's word wins over a token: a gateway has verified the token already and may pass it on.
    """
    known = Peers(peers)

    async def identify(headers: Mapping[str, str]) -> Caller | None:
        shown = headers.get(PEER)
        if shown is not None:
            return known.caller(shown, headers)
        credentials = headers.get("authorization")
        if credentials is None:
            return None
        scheme, _, token = credentials.partition(" ")
        if scheme.lower() != "bearer":
            return None  # HTTP Basic, for one, belongs to the operation that reads it
        if tokens is None:
            raise Unauthenticated("this service verifies no tokens itself (it has no key address); call the gateway")
        return await tokens.verify(token.strip())

    return identify
