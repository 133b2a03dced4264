"""A development certificate for HTTPS on this machine, made with the cryptography library."""

from __future__ import annotations

from pathlib import Path

from atoll.platform.gateway.options import Certificate


def development_certificate(folder: Path, names: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")) -> Certificate:
    """The certificate in that folder, made (or made anew when it expires within a week) if needed; trust it to use it."""
    raise NotImplementedError
