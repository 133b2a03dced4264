"""Seals signing keys for the database with AES-256-GCM, by the cryptography library."""

from __future__ import annotations

import base64
import binascii
import os

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

PLAIN = "plain:"
SEALED = "aes-256-gcm:"
NONCE = 12  # bytes


class SealBroken(Exception):
    """A stored key cannot be opened; one line says what to do."""


class KeySeal:
    """secret: of the operator, high in entropy; empty: keys are stored as they are."""

    def __init__(self, secret: str) -> None:
        self._cipher = AESGCM(_derived(secret)) if secret else None

    def seal(self, text: str, name: str) -> str:
        """What to store. name: bound to the text, so that two stored keys cannot be swapped."""
        if self._cipher is None:
            return PLAIN + text
        nonce = os.urandom(NONCE)
        sealed = self._cipher.encrypt(nonce, text.encode(), name.encode())
        return SEALED + base64.b64encode(nonce + sealed).decode()

    def open(self, stored: str, name: str) -> str:
        """The text that was sealed; also one that was stored before there was a secret."""
        if stored.startswith(PLAIN):
            return stored.removeprefix(PLAIN)
        if self._cipher is None:
            raise SealBroken(f"signing key {name} is sealed; set AUTH_KEY_SECRET to the secret it was sealed with")
        try:
            raw = base64.b64decode(stored.removeprefix(SEALED), validate=True)
            return self._cipher.decrypt(raw[:NONCE], raw[NONCE:], name.encode()).decode()
        except (InvalidTag, binascii.Error, ValueError):
            raise SealBroken(
                f"signing key {name} was sealed with another AUTH_KEY_SECRET; set the one from before"
            ) from None


def _derived(secret: str) -> bytes:
    return HKDF(SHA256(), 32, salt=None, info=b"shop-auth signing keys").derive(secret.encode())
