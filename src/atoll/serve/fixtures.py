"""Events as they were stored once, read by today's code."""

from __future__ import annotations

from typing import Any

import msgspec

from atoll.contracts import Error, Event, decoder_for_event
from atoll.serve.failure import CannotServe
from atoll.serve.load import load_service
from atoll.serve.sagas import consumed_events


class Fixture(msgspec.Struct, frozen=True):
    """One file. file: its name, for messages. data: what is in it."""

    file: str
    subject: str
    version: int
    data: msgspec.Raw


def read_stored(target: str, body: bytes) -> dict[str, Any]:
    """{"read": how many, "unread": [one line each]} of the fixtures of events that the service publishes or consumes.

    body: JSON, a list of `Fixture`. Those of other events are passed over. CannotServe for a service that cannot be loaded.
    """
    service = load_service(target)
    try:
        fixtures = msgspec.json.decode(body, type=list[Fixture])
    except msgspec.MsgspecError as error:
        raise CannotServe(f"the stored events cannot be read: {error}") from None
    kinds: dict[str, type[Event]] = {event.subject_: event for event in (*service.publishes, *consumed_events(service))}
    ours = [fixture for fixture in fixtures if fixture.subject in kinds]
    decoders = {subject: decoder_for_event(kind, service.upcasters) for subject, kind in kinds.items()}
    unread = []
    for fixture in ours:
        try:
            decoders[fixture.subject](bytes(fixture.data), fixture.version)
        except Error as error:
            unread.append(f"{fixture.file}: {error.detail}")
    return {"read": len(ours) - len(unread), "unread": unread}
