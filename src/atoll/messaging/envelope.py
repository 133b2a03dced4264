"""The wire format: CloudEvents 1.0, structured JSON."""

from __future__ import annotations

import msgspec


class Envelope(msgspec.Struct, frozen=True):
    """An event on the wire."""

    id: str
    source: str
    type: str
