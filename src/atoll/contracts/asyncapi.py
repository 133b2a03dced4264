"""AsyncAPI 3.0 from events. A pure function: the same events give the same document, byte for byte."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from atoll.contracts.events import Event
from atoll.contracts.schemas import Schema, Schemas, schemas_of
from atoll.contracts.upcasting import Upcaster, upcasts_of

ASYNCAPI = "3.0.0"
CLOUD_EVENTS = "application/cloudevents+json"
ENVELOPE = "CloudEvent"

# CloudEvents 1.0, structured mode; the extensions are the registered `partitionkey` and `traceparent`, and our version.
_ENVELOPE: Schema = {
    "title": ENVELOPE,
    "description": "CloudEvents 1.0, structured JSON.",
    "type": "object",
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "minLength": 1, "description": "Unique over all services; a repeat has the same id"},
        "source": {"type": "string", "format": "uri-reference", "description": "/system/service"},
        "type": {"type": "string", "description": "The event's subject, such as order.created"},
        "subject": {"type": "string", "description": "The ordering key"},
        "time": {"type": "string", "format": "date-time"},
        "datacontenttype": {"const": "application/json"},
        "partitionkey": {"type": "string", "description": "The ordering key"},
        "eventversion": {"type": "integer", "minimum": 1},
        "traceparent": {"type": "string", "description": "W3C trace context"},
        "data": {},
    },
    "required": ["specversion", "id", "source", "type", "data"],
}


def asyncapi(
    service: str,
    version: str,
    publishes: Iterable[type[Event]],
    consumes: Iterable[type[Event]],
    *,
    system: str = "",
    description: str = "",
    upcasters: Iterable[Upcaster] = (),
) -> dict[str, Any]:
    """The AsyncAPI 3.0 document of the events that a service publishes and consumes.

    system: given, the source of what the service publishes is known: ``/system/service``.
    upcasters: the versions that they start from are written as ``x-upcasts`` of their event.
    TypeError if an event has no JSON form, no subject, or shares its subject and version with another.
    """
    sent, received = list(publishes), list(consumes)
    marks = [upcasts_of(upcaster) for upcaster in upcasters]
    schemas = schemas_of(received, sent)
    events = _distinct([*sent, *received])
    source = f"/{system}/{service}" if system else ""
    info = {"title": service, "version": version} | ({"description": description} if description else {})
    return {
        "asyncapi": ASYNCAPI,
        "info": info,
        "defaultContentType": CLOUD_EVENTS,
        "channels": _channels(events),
        "operations": {
            **{f"publish.{_name(event)}": _operation("send", event) for event in sent},
            **{f"consume.{_name(event)}": _operation("receive", event) for event in received},
        },
        "components": {
            "messages": {
                _name(event): _message(event, schemas, written=event in sent, source=source if event in sent else "")
                | _upcasts(mark.from_version for mark in marks if mark.event is event)
                for event in events
            },
            "schemas": {**schemas.components, ENVELOPE: _ENVELOPE},
        },
    }


def _distinct(events: list[type[Event]]) -> list[type[Event]]:
    found: dict[str, type[Event]] = {}
    for event in events:
        if not event.subject_:
            raise TypeError(f"{event.__name__} has no subject; write class {event.__name__}(Event, subject='...')")
        twin = found.setdefault(_name(event), event)
        if twin is not event:
            raise TypeError(f"{twin.__name__} and {event.__name__} are both {_name(event)}; raise the version of one")
    return list(found.values())


def _name(event: type[Event]) -> str:
    return f"{event.subject_}.v{event.version_}"


def _channels(events: list[type[Event]]) -> Schema:
    channels: Schema = {}
    for event in events:
        channel = channels.setdefault(event.subject_, {"address": event.subject_, "messages": {}})
        channel["messages"][_name(event)] = {"$ref": f"#/components/messages/{_name(event)}"}
    return channels


def _operation(action: str, event: type[Event]) -> Schema:
    channel = f"#/channels/{event.subject_}"
    return {
        "action": action,
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{_name(event)}"}],
    }


def _upcasts(versions: Iterable[int]) -> Schema:
    found = sorted(versions)
    return {"x-upcasts": found} if found else {}


def _message(event: type[Event], schemas: Schemas, *, written: bool, source: str) -> Schema:
    data = schemas.written(event) if written else schemas.read(event)
    fixed: Schema = {"type": {"const": event.subject_}, "eventversion": {"const": event.version_}, "data": data}
    if source:
        fixed["source"] = {"const": source}
    return {
        "name": event.__name__,
        "title": event.__name__,
        "summary": (event.__doc__ or event.__name__).strip().splitlines()[0],
        "contentType": CLOUD_EVENTS,
        "payload": {"allOf": [{"$ref": f"#/components/schemas/{ENVELOPE}"}, {"properties": fixed}]},
        "x-ordering-key": event.key_,
    }
