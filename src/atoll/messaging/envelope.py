"""The wire format: CloudEvents 1.0 in structured JSON, so that any program in any language can read and write events."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
from msgspec import UNSET, Raw, UnsetType

from atoll.contracts import BadRequest, Invalid
from atoll.contracts.codec import invalid

HEADERS = ("traceparent", "tracestate", "correlationid", "causationid", "baggage")


class Envelope(msgspec.Struct, frozen=True, kw_only=True):
    """An event on the wire. ``data`` stays encoded until the reader knows its type.

    type: the event's subject, ``order.created``. subject, partitionkey: the key that orders. Readers ignore other attributes.
    """

    specversion: str = "1.0"
    id: str
    source: str
    type: str
    subject: str = ""
    time: datetime | UnsetType = UNSET
    datacontenttype: str = "application/json"
    partitionkey: str = ""
    eventversion: int = 1
    traceparent: str | UnsetType = UNSET
    tracestate: str | UnsetType = UNSET
    correlationid: str | UnsetType = UNSET
    causationid: str | UnsetType = UNSET
    baggage: str | UnsetType = UNSET
    data: Raw

    @property
    def key(self) -> str:
        """What orders it; an event of someone who knows no keys is ordered with nothing else."""
        return self.partitionkey or self.subject or self.id

    def headers(self) -> dict[str, str]:
        """What a handler's request shows as headers."""
        found = {"message-id": self.id, "message-source": self.source}
        for name in HEADERS:
            value = getattr(self, name)
            if value is not UNSET:
                found[name] = value
        return found


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(Envelope).decode


def encode_envelope(envelope: Envelope) -> bytes:
    """The envelope as JSON (UTF-8)."""
    return _encode(envelope)


def decode_envelope(body: bytes) -> Envelope:
    """The envelope; Invalid or BadRequest if these bytes are none."""
    try:
        envelope = _decode(body)
    except msgspec.ValidationError as error:
        raise invalid(error) from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise BadRequest(f"this is no CloudEvent in JSON: {error}") from None
    if envelope.specversion != "1.0":
        raise Invalid(f"specversion is {envelope.specversion!r}; only 1.0 is known")
    if not envelope.id:
        raise Invalid("id is empty; without one a message cannot be told from its copies")
    if "\0" in envelope.id or "\0" in envelope.key:
        raise Invalid("id or key holds a NUL character, which PostgreSQL's text cannot")
    return envelope


def extensions(headers: Mapping[str, str]) -> dict[str, str]:
    """Those of the headers that travel as attributes of a CloudEvent."""
    return {name: headers[name] for name in HEADERS if name in headers}
