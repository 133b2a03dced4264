"""`EventTypes`: which events are read, and their decoders, made once."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar
from uuid import UUID

import msgspec

from atoll.contracts import Error, Event, Upcaster, decoder_for_event
from atoll.contracts.upcasting import DecodeEvent
from atoll.data.event_order import Position
from atoll.data.postgres import Row

E_co = TypeVar("E_co", bound=Event, covariant=True)


class UnreadableEvent(Exception):
    """A stored event that this release cannot read: which one, why, what to do. No fault of a request."""


class Stored(msgspec.Struct, Generic[E_co], frozen=True):
    """An event with its place. number: in its stream, from 1. position: among all. headers: what travelled with it (JSON)."""

    event: E_co
    stream: str
    number: int
    position: Position
    id: UUID
    recorded_at: datetime
    headers_json: str | None = None

    @property
    def headers(self) -> dict[str, str]:
        """What travelled with it, such as ``traceparent``."""
        return msgspec.json.decode(self.headers_json, type=dict[str, str]) if self.headers_json else {}


class EventTypes:
    """The events that a reader knows, of every version. TypeError for two of one subject."""

    def __init__(self, events: Iterable[type[Event]], upcasters: Iterable[Upcaster] = ()) -> None:
        steps = tuple(upcasters)
        self._decoders: dict[str, DecodeEvent[Event]] = {}
        self.types = tuple(dict.fromkeys(events))
        for event in self.types:
            if not event.subject_:
                raise TypeError(f"{event.__name__} has no subject; write class {event.__name__}(Event, subject='...')")
            if event.subject_ in self._decoders:
                raise TypeError(
                    f"two events have the subject {event.subject_!r}; keep one, and upcast its older versions"
                )
            self._decoders[event.subject_] = decoder_for_event(event, steps)
        self.subjects = tuple(self._decoders)

    def event_of(self, row: Row) -> Any:
        """The event of a row with subject, version, data, stream and number; `UnreadableEvent` if it cannot be read."""
        subject = row["subject"]
        try:
            return self._decoders[subject](row["data"].encode(), row["version"])
        except KeyError:
            known = ", ".join(self.subjects) or "none"
            why = f"{subject} is not known here (known: {known}); declare its class and handle it"
        except Error as error:
            why = error.detail
        raise UnreadableEvent(f"event {row['number']} of stream {row['stream']}: {why}")

    def stored_of(self, row: Row) -> Stored[Any]:
        """The event with its place."""
        place = Position(row["fence"], row["position"])
        event = self.event_of(row)
        return Stored(event, row["stream"], row["number"], place, row["id"], row["recorded_at"], row["headers"])
