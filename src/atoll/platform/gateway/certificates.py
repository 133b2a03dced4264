"""The way to the development certificate that does not load the cryptography library (100 ms) where there is no TLS."""

from __future__ import annotations

from pathlib import Path

from atoll.platform.gateway.options import Certificate


def development_certificate(folder: Path, names: tuple[str, ...] = ("localhost", "127.0.0.1", "::1")) -> Certificate:
    """The self-signed certificate in that folder, made (or made anew when it expires within a week) if needed.

    Clients trust it by its file: ``curl --cacert <certificate>``. The key's file is readable by its owner alone.
    """
    from atoll.platform.gateway import cryptography

    return cryptography.development_certificate(folder, names)
