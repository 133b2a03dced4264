"""What a release of a service says of itself, as Atoll writes it: OpenAPI, AsyncAPI, and its view of those that it calls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

Schema = Mapping[str, Any]

ENVELOPE_PARTS = 2  # a message's payload is the envelope and what is fixed in it
METHODS = frozenset(
    {"get", "put", "post", "delete", "options", "head", "patch", "trace"}
)  # OpenAPI 3.1, Path Item Object
REFERENCES = 8  # a reference to a reference to ...; more go round in a circle


@dataclass(frozen=True, slots=True)
class Documents:
    """The documents of one release.

    openapi, asyncapi: as the service serves them; empty for one that has none. calls: by service that it calls, the OpenAPI
    document as this release's own contracts have it; an empty one says that it calls, and that nobody knows what.
    """

    service: str
    openapi: Schema = field(default_factory=dict)
    asyncapi: Schema = field(default_factory=dict)
    calls: Mapping[str, Schema] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class EventDocument:
    """One event, as a document has it. version 0: only its subject is known. upcasts: older versions that it can read."""

    subject: str
    version: int = 0
    key: str = ""
    data: Schema = field(default_factory=dict)
    components: Schema = field(default_factory=dict)
    upcasts: frozenset[int] = frozenset()


@dataclass(frozen=True, slots=True)
class OperationDocument:
    """One operation, as a document has it. parts: its object in the document's ``paths``, with the parameters of its path
    among its own, nothing by reference but schemas, and ``required`` wherever the document leaves it to the default.
    """

    name: str
    method: str
    path: str
    parts: Schema
    components: Schema


def operations_in(openapi: Schema) -> dict[str, OperationDocument]:
    """By operationId."""
    components = openapi.get("components", {}).get("schemas", {})
    found = {}
    for path, methods in openapi.get("paths", {}).items():
        for method in filter(METHODS.__contains__, methods):
            parts = _whole(openapi, methods, methods[method])
            name = parts.get("operationId", f"{method} {path}")
            found[name] = OperationDocument(name, method.upper(), path, parts, components)
    return found


def _whole(openapi: Schema, path: Schema, operation: Schema) -> Schema:
    """The operation as if its document used no shorthand: other tools than Atoll write their documents with them."""
    every = [_meant(openapi, one) for one in (*path.get("parameters", ()), *operation.get("parameters", ()))]
    parameters = {
        (one["in"], one["name"]): {"required": False, "schema": {}, **one}
        for one in every
        if {"in", "name"} <= one.keys()
    }
    responses = {str(status): _meant(openapi, one) for status, one in operation.get("responses", {}).items()}
    whole = {
        "security": openapi.get("security", ()), **operation,
        "parameters": list(parameters.values()), "responses": responses,
    }  # fmt: skip
    if "requestBody" in operation:
        whole["requestBody"] = {"required": False, "content": {}, **_meant(openapi, operation["requestBody"])}
    return whole


def _meant(openapi: Schema, part: Schema) -> Schema:
    """What a reference within the document stands for."""
    for _ in range(REFERENCES):
        if "$ref" not in part:
            return part
        found: Any = openapi
        for name in str(part["$ref"]).removeprefix("#/").split("/"):
            found = found.get(name.replace("~1", "/").replace("~0", "~"), {}) if isinstance(found, Mapping) else {}
        part = found
    return {}


def published_in(asyncapi: Schema) -> dict[str, EventDocument]:
    """By subject; of several versions the newest."""
    return _events(asyncapi, "send")


def consumed_in(asyncapi: Schema) -> dict[str, EventDocument]:
    """By subject; of several versions the newest."""
    return _events(asyncapi, "receive")


def _events(asyncapi: Schema, action: str) -> dict[str, EventDocument]:
    found: dict[str, EventDocument] = {}
    for operation in asyncapi.get("operations", {}).values():
        if operation.get("action") != action or "$ref" not in operation.get("channel", {}):
            continue
        subject = _last(operation["channel"])
        for reference in operation.get("messages", ()) or [None]:
            event = _event(asyncapi, subject, reference)
            if subject not in found or found[subject].version < event.version:
                found[subject] = event
    return found


def _event(asyncapi: Schema, subject: str, reference: Schema | None) -> EventDocument:
    name = _last(reference) if reference else ""
    message = asyncapi.get("components", {}).get("messages", {}).get(name, {})
    try:
        fixed = message["payload"]["allOf"][ENVELOPE_PARTS - 1]["properties"]
        version, data = fixed["eventversion"]["const"], fixed["data"]
    except (KeyError, IndexError, TypeError):  # it has no envelope of Atoll's, so another tool wrote it
        return EventDocument(subject)
    return EventDocument(
        subject,
        version,
        message.get("x-ordering-key", ""),
        data,
        asyncapi["components"].get("schemas", {}),
        frozenset(message.get("x-upcasts", ())),
    )


def _last(reference: Schema) -> str:
    return str(reference["$ref"]).rpartition("/")[2]


def only_subjects(service: str, consumes: tuple[str, ...] = (), calls: tuple[str, ...] = ()) -> Documents:
    """What is known of a service that has no documents: the subjects that it consumes, and whom it calls."""
    operations = {
        f"consume.{subject}": {"action": "receive", "channel": {"$ref": f"#/channels/{subject}"}}
        for subject in consumes
    }
    return Documents(service, asyncapi={"operations": operations}, calls={callee: {} for callee in calls})
