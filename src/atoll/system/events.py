"""Who publishes and who consumes which event, and whether that fits together. Inert data, as the model is."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec

Fields = Mapping[str, Mapping[str, Any]]  # name -> {"schema", "required"}


class EventUse(msgspec.Struct, frozen=True):
    """An event as a service knows it. version 0 and no fields: only its subject is declared, as by a foreign service."""

    subject: str
    version: int = 0
    key: str = ""
    fields: dict[str, dict[str, Any]] = {}


@dataclass(frozen=True, slots=True)
class ServiceEvents:
    """What one service does with events. place: its line in system.py. unknown: why it could not be asked."""

    service: str
    place: str
    publishes: Sequence[EventUse] = ()
    consumes: Sequence[EventUse] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Subject:
    """One subject: (service, use) of who publishes it and who consumes it."""

    subject: str
    publishers: list[tuple[ServiceEvents, EventUse]] = field(default_factory=list)
    consumers: list[tuple[ServiceEvents, EventUse]] = field(default_factory=list)


def subjects_of(services: Sequence[ServiceEvents]) -> list[Subject]:
    """By subject, in alphabetical order."""
    found: dict[str, Subject] = {}
    for service in services:
        for use in service.publishes:
            found.setdefault(use.subject, Subject(use.subject)).publishers.append((service, use))
        for use in service.consumes:
            found.setdefault(use.subject, Subject(use.subject)).consumers.append((service, use))
    return [found[subject] for subject in sorted(found)]


def event_findings(services: Sequence[ServiceEvents]) -> Iterator[tuple[str, str]]:
    """(place, text) of what cannot work: nobody publishes it, two shapes of one subject, what a consumer cannot read."""
    for subject in subjects_of(services):
        yield from _two_shapes(subject)
        yield from (found for found in map(_misfit, _pairs(subject)) if found)
        if not subject.publishers and _complete(services):
            yield from (_unpublished(service, subject.subject) for service, _ in subject.consumers)


def event_notes(services: Sequence[ServiceEvents]) -> Iterator[tuple[str, str]]:
    """(place, text) of what may be meant so: nobody consumes it, a consumer is older, a service could not be asked."""
    for service in services:
        if service.unknown:
            yield service.place, f"Service {service.service!r} could not be asked for its events: {service.unknown}"
    for subject in subjects_of(services):
        yield from (found for found in map(_older, _pairs(subject)) if found)
        if not subject.consumers and _complete(services):
            for service, _ in subject.publishers:
                yield service.place, f"Service {service.service!r} publishes {subject.subject!r}, which nobody consumes"


@dataclass(frozen=True, slots=True)
class _Pair:
    """A consumer and a publisher of one subject, whose versions are known."""

    reader: ServiceEvents
    read: EventUse
    writer: ServiceEvents
    written: EventUse

    @property
    def wrong(self) -> str:
        return _unreadable(self.read.fields, self.written.fields) if self.read.version <= self.written.version else ""


def _pairs(subject: Subject) -> Iterator[_Pair]:
    for reader, read in subject.consumers:
        for writer, written in subject.publishers:
            if read.version and written.version:
                yield _Pair(reader, read, writer, written)


def _complete(services: Sequence[ServiceEvents]) -> bool:
    return not any(service.unknown for service in services)


def _unpublished(service: ServiceEvents, subject: str) -> tuple[str, str]:
    what = f"Service {service.service!r} consumes {subject!r}, which nobody in the system publishes"
    return service.place, f"{what}; correct the subject, or give publishes=({subject!r},) to the service that does"


def _two_shapes(subject: Subject) -> Iterator[tuple[str, str]]:
    """Two that publish one subject have to mean the same by it."""
    known: dict[int, tuple[ServiceEvents, EventUse]] = {}
    for service, use in subject.publishers:
        first, other = known.setdefault(use.version, (service, use))
        if use.version and other.fields != use.fields:
            what = (
                f"Services {first.service!r} and {service.service!r} publish {subject.subject!r} version {use.version}"
            )
            differ = _difference(other.fields, use.fields)
            yield service.place, f"{what} in two shapes (they differ in {differ}); let both use one contract"


def _misfit(pair: _Pair) -> tuple[str, str] | None:
    if not pair.wrong:
        return None
    knows = f"Service {pair.reader.service!r} knows {pair.read.subject!r} as version {pair.read.version}"
    if pair.read.version == pair.written.version:
        text = f"{knows} in another shape than {pair.writer.service!r} publishes it ({pair.wrong}); let both use one contract"
    else:
        text = (
            f"{knows} and cannot read version {pair.written.version}, which {pair.writer.service!r} publishes "
            f"({pair.wrong}); give {pair.reader.service!r} the newer contract"
        )
    return pair.reader.place, text


def _older(pair: _Pair) -> tuple[str, str] | None:
    if pair.read.version >= pair.written.version or pair.wrong:
        return None
    return pair.reader.place, (
        f"Service {pair.reader.service!r} knows {pair.read.subject!r} as version {pair.read.version}, and "
        f"{pair.writer.service!r} publishes version {pair.written.version}; it can read it, without what is new"
    )


def _unreadable(read: Fields, written: Fields) -> str:
    """Why a reader could not read what is written; a reader may know fewer fields."""
    for name, field_ in read.items():
        if name not in written:
            if field_["required"]:
                return f"{name} is required and never written"
        elif field_["schema"] != written[name]["schema"]:
            return f"{name} differs"
        elif field_["required"] and not written[name]["required"]:
            return f"{name} is required and may be left out"
    return ""


def _difference(one: Fields, other: Fields) -> str:
    return ", ".join(sorted(name for name in {*one, *other} if one.get(name) != other.get(name)))
