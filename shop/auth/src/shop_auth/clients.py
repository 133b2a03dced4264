"""Machines that get tokens for themselves (OAuth 2 client credentials); the operator lists them in the settings."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from hashlib import sha256
from hmac import compare_digest
from secrets import token_bytes
from urllib.parse import unquote_plus

import msgspec

from shop_contracts.scopes import SCOPES

MIN_SECRET = 16  # characters; a machine's secret is random, so that its SHA-256 cannot be turned back

SERVICE_PREFIX = "peer:"  # a service that calls for itself is the caller peer:orders, so no token may say so


class Client(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What a machine may do. secret: shared with it."""

    secret: str
    scopes: frozenset[str] = frozenset()
    roles: frozenset[str] = frozenset()

    def __repr__(self) -> str:
        return f"Client(scopes={sorted(self.scopes)})"


_decode = msgspec.json.Decoder(dict[str, Client]).decode


def read_clients(text: str) -> dict[str, Client]:
    """The machines by id. ValueError says what is wrong, without a secret."""
    if not text:
        return {}
    try:
        clients = _decode(text)
    except msgspec.DecodeError as error:
        raise ValueError(f'AUTH_CLIENTS is not like {{"robot": {{"secret": ..., "scopes": [...]}}}}: {error}') from None
    for client_id, client in clients.items():
        if not client_id.isascii() or not client_id.isprintable() or " " in client_id or not client_id:
            raise ValueError("AUTH_CLIENTS: a client's id is printable ASCII without spaces")
        if client_id.lower().startswith(SERVICE_PREFIX):
            raise ValueError(f"AUTH_CLIENTS: {client_id} is how a service is called; a machine has another id")
        if len(client.secret) < MIN_SECRET:
            raise ValueError(f"AUTH_CLIENTS: the secret of {client_id} is shorter than {MIN_SECRET} characters")
        if unknown := sorted(client.scopes - SCOPES):
            raise ValueError(f"AUTH_CLIENTS: {client_id} asks for the scope {unknown[0]}, which the shop does not have")
    return clients


class Clients:
    """The machines that may ask for tokens."""

    def __init__(self, clients: Mapping[str, Client]) -> None:
        self._clients = dict(clients)
        self._digests = {client_id: _digest(client.secret) for client_id, client in clients.items()}
        self._nobody = token_bytes(32)

    def authenticate(self, client_id: str, secret: str) -> Client | None:
        """The machine, if that is its secret; an unknown id takes as long as a wrong secret."""
        right = compare_digest(_digest(secret), self._digests.get(client_id, self._nobody))
        return self._clients.get(client_id) if right else None


def basic_credentials(header: str) -> tuple[str, str] | None:
    """Id and secret from ``Basic ...``, form-encoded inside as RFC 6749, section 2.3.1, wants it; None for anything else."""
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        decoded = base64.b64decode(encoded.strip(), validate=True).decode()
    except (binascii.Error, ValueError):
        return None
    client_id, colon, secret = decoded.partition(":")
    return (unquote_plus(client_id), unquote_plus(secret)) if colon else None


def _digest(secret: str) -> bytes:
    return sha256(secret.encode("utf-8", "surrogatepass")).digest()
