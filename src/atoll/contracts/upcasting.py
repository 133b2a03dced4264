"""Versions of events: how a reader of one version reads the others.

Events grow additively, and then nothing is to be written: a reader ignores fields that it does not know, and a new field has a
default for events that lack it. For any other change there is a new version and an upcaster, a pure function from the raw fields
of the old version to those of the next one:

    @upcasts(OrderCreated, from_version=1)
    def split_name(raw: Raw) -> Raw:
        first, _, last = raw.pop("name").partition(" ")
        return raw | {"first": first, "last": last}

So a reader that knows version 2 reads 1 by upcasting, and one that knows 1 reads 2 as long as 2 only adds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

import msgspec

from atoll.contracts.codec import decoder_for
from atoll.contracts.errors import Invalid
from atoll.contracts.events import Event

E = TypeVar("E", bound=Event)
Raw: TypeAlias = dict[str, Any]
Upcaster = Callable[[Raw], Raw]
DecodeEvent = Callable[[bytes, int], E]  # the event's JSON and the version that it was written as
_MARK = "__atoll_upcasts__"


@dataclass(frozen=True, slots=True)
class Upcasts:
    """The mark of an upcaster."""

    event: type[Event]
    from_version: int


def upcasts(event: type[Event], *, from_version: int) -> Callable[[Upcaster], Upcaster]:
    """Marks a pure function that turns the raw fields of that version of the event into those of the next version.

    The dictionary that it gets is its own: it may change it and return it. TypeError for a version that has no successor.
    """
    if not event.subject_:
        raise TypeError(f"{event.__name__} has no subject; write class {event.__name__}(Event, subject='...')")
    if not 1 <= from_version < event.version_:
        raise TypeError(
            f"{event.__name__} has version {event.version_}, so an upcaster starts from 1 to {event.version_ - 1}, "
            f"not from {from_version}"
        )

    def mark(function: Upcaster) -> Upcaster:
        setattr(function, _MARK, Upcasts(event, from_version))
        return function

    return mark


def upcasts_of(function: Upcaster) -> Upcasts:
    """What the function upcasts; TypeError if nothing marks it."""
    mark: Upcasts | None = getattr(function, _MARK, None)
    if mark is None:
        raise TypeError(f"{_name(function)} is no upcaster: decorate it with @upcasts(SomeEvent, from_version=1)")
    return mark


def decoder_for_event(event: type[E], upcasters: Iterable[Upcaster] = ()) -> DecodeEvent[E]:
    """A decoder of every version of the event: it takes the JSON and the version that it was written as.

    upcasters: those of other events are passed over, so that a service hands the same list to all. Errors: Invalid or
    BadRequest for what cannot be read, with the version and what to do. TypeError for two upcasters of one version.
    """
    steps = _steps(event, upcasters)
    decode = decoder_for(event)
    current = event.version_

    def read(body: bytes, version: int) -> E:
        if version == current:
            return decode(body)
        if version > current:
            return _newer(event, decode, body, version)
        return _older(event, decode, steps, body, version)

    return read


def _steps(event: type[Event], upcasters: Iterable[Upcaster]) -> tuple[Upcaster | None, ...]:
    found: dict[int, Upcaster] = {}
    for upcaster in upcasters:
        mark = upcasts_of(upcaster)
        if mark.event is not event:
            continue
        if (twin := found.get(mark.from_version, upcaster)) is not upcaster:
            raise TypeError(
                f"{_name(twin)} and {_name(upcaster)} both upcast version {mark.from_version} of {event.__name__}; keep one"
            )
        found[mark.from_version] = upcaster
    return tuple(found.get(version) for version in range(1, event.version_))


def _newer(event: type[E], decode: Callable[[bytes], E], body: bytes, version: int) -> E:
    try:
        return decode(body)
    except Invalid as error:
        raise Invalid(
            f"{event.subject_} was written as version {version} and this reader knows {event.version_}: {error.detail}; "
            "release the reader first, or make the new version additive",
            fields=error.fields,
        ) from None


def _older(
    event: type[E], decode: Callable[[bytes], E], steps: tuple[Upcaster | None, ...], body: bytes, version: int
) -> E:
    if version < 1:
        raise Invalid(f"{event.subject_} says version {version}; versions count from 1")
    chain = [step for step in steps[version - 1 :] if step is not None]
    try:
        return decode(_upcast(event, chain, body, version) if chain else body)
    except Invalid as error:
        if error.detail.startswith(event.subject_):
            raise
        raise Invalid(
            f"{event.subject_} version {version} does not read as version {event.version_}: {error.detail}; "
            f"give the new field a default, or write @upcasts({event.__name__}, from_version={version})",
            fields=error.fields,
        ) from None


def _upcast(event: type[Event], chain: list[Upcaster], body: bytes, version: int) -> bytes:
    raw = _decode_raw(body)
    body = b""
    for step in chain:
        try:
            raw = step(raw)
            body = msgspec.json.encode(raw)
        except Exception as error:  # a user's function, on data from another time
            raise Invalid(
                f"{event.subject_} version {version}: the upcaster {_name(step)} failed: {type(error).__name__}: {error}"
            ) from error
    return body


_decode_raw = decoder_for(dict[str, Any])


def _name(function: Callable[..., Any]) -> str:
    return f"{getattr(function, '__module__', '?')}.{getattr(function, '__qualname__', repr(function))}"
