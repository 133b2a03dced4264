"""Whether a document has the shape that the comparison relies on: a foreign service's may be written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

Part = dict[str, Any]
Parts = dict[str, Part]


class _Content(msgspec.Struct):
    content: Parts = {}
    headers: Parts = {}


class _Operation(msgspec.Struct, rename="camel"):
    operation_id: str = ""
    parameters: list[Part] = []
    request_body: _Content | None = None
    responses: dict[str, _Content] = {}
    security: list[dict[str, list[str]]] = []


class _Path(msgspec.Struct):
    parameters: list[Part] = []
    get: _Operation | None = None
    put: _Operation | None = None
    post: _Operation | None = None
    delete: _Operation | None = None
    options: _Operation | None = None
    head: _Operation | None = None
    patch: _Operation | None = None
    trace: _Operation | None = None


class _Components(msgspec.Struct, rename="camel"):
    schemas: Parts = {}
    parameters: Parts = {}
    request_bodies: dict[str, _Content] = {}
    responses: dict[str, _Content] = {}


class _OpenApi(msgspec.Struct):
    info: Part = {}
    paths: dict[str, _Path] = {}
    components: _Components = msgspec.field(default_factory=_Components)
    security: list[dict[str, list[str]]] = []


class _Messages(msgspec.Struct):
    schemas: Parts = {}
    messages: Parts = {}


class _Sending(msgspec.Struct):
    channel: dict[str, str] = {}
    messages: list[dict[str, str]] = []


class _AsyncApi(msgspec.Struct):
    info: Part = {}
    operations: dict[str, _Sending] = {}
    components: _Messages = msgspec.field(default_factory=_Messages)


def mistake_in(openapi: Mapping[str, Any], asyncapi: Mapping[str, Any]) -> str:
    """What is not as OpenAPI 3.1 or AsyncAPI 3.0 has it, with its place; "" if both can be compared."""
    for file, document, shape in (("openapi.json", openapi, _OpenApi), ("asyncapi.json", asyncapi, _AsyncApi)):
        try:
            msgspec.convert(document, shape)
        except msgspec.ValidationError as error:
            return f"{file}: {error}"
    return ""
