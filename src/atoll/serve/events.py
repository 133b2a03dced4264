"""A service's events as data, and publishing one by hand: asked of the service's own code, which knows their contracts."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec

from atoll.contracts import Error, Event
from atoll.contracts.codec import decoder_for
from atoll.data import Database
from atoll.data.database import CLOSED_WITHIN
from atoll.serve.environment import read_environment
from atoll.serve.failure import CannotServe
from atoll.serve.load import load_service
from atoll.serve.parts import database_of
from atoll.serve.sagas import consumed_events
from atoll.service import Service

_NO_SHAPE = frozenset({"title", "description", "default", "examples"})  # what a schema says besides the shape


def describe_events(target: str) -> dict[str, Any]:
    """{"service", "publishes": [event], "consumes": [event]}; an event is {"subject", "version", "key", "fields"}.

    fields: by name, {"schema", "required"}; the schema is JSON Schema without names and texts. CannotServe.
    """
    service = load_service(target)
    return {
        "service": service.name,
        "publishes": [_described(event) for event in service.publishes],
        "consumes": [_described(event) for event in consumed_events(service)],
    }


def publish_by_hand(target: str, subject: str, body: bytes, values: Mapping[str, str]) -> str:
    """Publishes the event through the service's outbox, when its database has it safely; what was published, in a line.

    body: its fields as JSON. CannotServe names the field that is wrong, or what the service publishes instead.
    """
    service = load_service(target)
    event = _read(_published(service, subject), body)
    environment = read_environment(values)
    database = database_of(service, environment, warm=0)
    if database is None:
        raise CannotServe(f"{service.name} has no database, and so no outbox")
    return asyncio.run(_publish(database, event))


async def _publish(database: Database, event: Event) -> str:
    await database.start()
    try:
        async with database.work() as work:
            await work.publish(event)
    except Error as error:
        raise CannotServe(error.detail) from None
    finally:
        await database.stop(CLOSED_WITHIN)
    kind = type(event)
    return f"{kind.subject_} of {kind.key_of_(event)} is in the outbox of {database.service}"


def _published(service: Service, subject: str) -> type[Event]:
    for event in service.publishes:
        if event.subject_ == subject:
            return event
    known = ", ".join(sorted(event.subject_ for event in service.publishes)) or "nothing"
    raise CannotServe(f"{service.name} does not publish {subject!r}; it publishes {known}")


def _read(kind: type[Event], body: bytes) -> Event:
    try:
        event = decoder_for(kind)(body)
    except Error as error:
        raise CannotServe(f"{kind.subject_}: {error.detail}") from None
    if unknown := _unknown(msgspec.json.decode(body), msgspec.to_builtins(event, str_keys=True), ""):
        raise CannotServe(f"{kind.subject_}: {unknown}: is not a field of this event; it has {', '.join(_names(kind))}")
    found: Event = event
    return found


def _names(kind: type[Event]) -> Iterable[str]:
    return (field.encode_name for field in msgspec.structs.fields(kind))


def _unknown(given: Any, understood: Any, path: str) -> str:
    """The path of what a reader passed over: readers are tolerant, a person who types wants to know."""
    if isinstance(given, dict) and isinstance(understood, dict):
        for name, value in given.items():
            inner = f"{path}.{name}" if path else name
            if name not in understood:
                return inner
            if found := _unknown(value, understood[name], inner):
                return found
    elif isinstance(given, list) and isinstance(understood, (list, tuple)) and len(given) == len(understood):
        for at, (one, other) in enumerate(zip(given, understood, strict=True)):
            if found := _unknown(one, other, f"{path}[{at}]"):
                return found
    return ""


def _described(event: type[Event]) -> dict[str, Any]:
    (schema,), components = msgspec.json.schema_components([event])
    record = components[schema["$ref"].rpartition("/")[2]]
    required = set(record.get("required", ()))
    return {
        "subject": event.subject_,
        "version": event.version_,
        "key": event.key_,
        "fields": {
            name: {"schema": _shape(part, components, ()), "required": name in required}
            for name, part in record["properties"].items()
        },
    }


def _shape(schema: Any, components: Mapping[str, Any], inside: tuple[str, ...]) -> Any:
    """With what it refers to put in its place, so that two shapes can be compared."""
    if isinstance(schema, list):
        return [_shape(one, components, inside) for one in schema]
    if not isinstance(schema, dict):
        return schema
    if (reference := schema.get("$ref")) is not None:
        name = reference.rpartition("/")[2]
        return name if name in inside else _shape(components[name], components, (*inside, name))
    return {
        name: {key: _shape(one, components, inside) for key, one in part.items()}
        if name == "properties"
        else _shape(part, components, inside)
        for name, part in schema.items()
        if name not in _NO_SHAPE
    }
