"""PostgreSQL's password verifiers, so that a password itself is never part of a statement (which a server may log)."""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets

_ITERATIONS = 4096  # PostgreSQL's default (scram_iterations)


def scram_verifier(password: str) -> str:
    """What ``ALTER ROLE ... PASSWORD`` takes instead of the password (RFC 5803, scram-sha-256)."""
    salt = secrets.token_bytes(16)
    salted = hashlib.pbkdf2_hmac("sha256", password.encode(), salt, _ITERATIONS)
    client = hmac.digest(salted, b"Client Key", "sha256")
    server = hmac.digest(salted, b"Server Key", "sha256")
    stored = hashlib.sha256(client).digest()
    return f"SCRAM-SHA-256${_ITERATIONS}:{_text(salt)}${_text(stored)}:{_text(server)}"


def _text(value: bytes) -> str:
    return base64.b64encode(value).decode("ascii")
