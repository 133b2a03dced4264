"""`EventTypes`: which events are read, and their decoders, made once."""

from __future__ import annotations

from collections.abc import Callable, Iterable
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


class Stored(Generic[E_co]):
    """An event with its place. Immutable; what is asked for is worked out then, for most readers want the event alone."""

    __slots__ = ("_row", "event")

    def __init__(self, event: E_co, row: Row) -> None:
        self.event = event
        self._row = row

    def __repr__(self) -> str:
        return f"<{self.stream} {self.number}: {self.event!r}>"

    @property
    def stream(self) -> str:
        """The name of its stream."""
        found: str = self._row["stream"]
        return found

    @property
    def number(self) -> int:
        """Its number in the stream, from 1."""
        found: int = self._row["number"]
        return found

    @property
    def position(self) -> Position:
        """Its place among all events."""
        return Position(self._row["fence"], self._row["position"])

    @property
    def id(self) -> UUID:
        """What nobody else's event has; the id of the message, if it is published."""
        found: UUID = self._row["id"]
        return found

    @property
    def recorded_at(self) -> datetime:
        """When it was appended, by the database's clock."""
        found: datetime = self._row["recorded_at"]
        return found

    @property
    def headers(self) -> dict[str, str]:
        """What travelled with it, such as ``traceparent``."""
        text = self._row["headers"]
        return msgspec.json.decode(text, type=dict[str, str]) if text else {}


class EventTypes:
    """The events that a reader knows, of every version. TypeError for two of one subject."""

    def __init__(self, events: Iterable[type[Event]], upcasters: Iterable[Upcaster] = ()) -> None:
        steps = tuple(upcasters)
        self._decoders: dict[str, DecodeEvent[Event]] = {}
        self._current: dict[tuple[str, int], Callable[[str], Event]] = {}
        self.types = tuple(dict.fromkeys(events))
        for event in self.types:
            subject = event.subject_
            if not subject:
                raise TypeError(f"{event.__name__} has no subject; write class {event.__name__}(Event, subject='...')")
            if subject in self._decoders:
                raise TypeError(f"two events have the subject {subject!r}; keep one, and upcast its older versions")
            self._decoders[subject] = decoder_for_event(event, steps)
            self._current[subject, event.version_] = msgspec.json.Decoder(event).decode
        self.subjects = tuple(self._decoders)

    def event_of(self, row: Row) -> Any:
        """The event of a row with subject, version, data, stream and number; `UnreadableEvent` if it cannot be read."""
        try:  # what this release itself writes, without detours
            return self._current[row["subject"], row["version"]](row["data"])
        except (KeyError, msgspec.MsgspecError):
            return self._other(row)

    def stored_of(self, row: Row) -> Stored[Any]:
        """The event with its place."""
        return Stored(self.event_of(row), row)

    def _other(self, row: Row) -> Any:
        subject = row["subject"]
        decode = self._decoders.get(subject)
        if decode is None:
            known = ", ".join(self.subjects) or "none"
            why = f"{subject} is not known here (known: {known}); declare its class and handle it"
        else:
            try:
                return decode(row["data"].encode(), row["version"])
            except Error as error:
                why = error.detail
        raise UnreadableEvent(f"event {row['number']} of stream {row['stream']}: {why}")
