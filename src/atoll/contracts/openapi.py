"""OpenAPI 3.1 from operations. A pure function: the same operations give the same document, byte for byte."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from typing import Any, get_args

from atoll.contracts.errors import PROBLEM_MEDIA_TYPE, Problem
from atoll.contracts.fields import is_nothing, wire_names
from atoll.contracts.operations import Access, Api, Operation
from atoll.contracts.replies import replies_of
from atoll.contracts.schemas import Schema, Schemas, schemas_of, without

OPENAPI = "3.1.0"
QUERY_METHODS = frozenset({"GET", "DELETE"})
JSON = "application/json"
FORM = "application/x-www-form-urlencoded"
MAX_KEY = 255  # characters of an Idempotency-Key

AnyOperation = Operation[Any, Any]

SECURITY_SCHEMES: Schema = {
    "bearer": {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "An access token. The scopes that an operation needs stand at the operation.",
    },
    "peer": {
        "type": "apiKey",
        "in": "header",
        "name": "atoll-peer",
        "description": "A declared service of the system: its name and its secret, name:secret.",
    },
}


def openapi(
    service: str,
    version: str,
    operations: Iterable[AnyOperation],
    *,
    description: str = "",
    demands: Mapping[AnyOperation, Collection[str]] | None = None,
) -> dict[str, Any]:
    """The OpenAPI 3.1 document of a service's operations.

    service, version: the document's title and version. operations: in the order in which they shall appear.
    demands: the headers, in lower case, without which an operation is refused by whoever implements it.
    TypeError if a message has no JSON form, or two different messages have one name.
    """
    operations = list(operations)
    schemas = schemas_of(
        [one.request for one in operations if not is_nothing(one.request)],
        [Problem, *(item_type(one) for one in operations if not is_nothing(one.reply))],
    )
    paths: dict[str, Any] = {}
    for operation in operations:
        written = _operation(operation, schemas)
        _demand(written, (demands or {}).get(operation, ()))
        paths.setdefault(operation.path, {})[operation.method.lower()] = written
    used = {name for operation in operations for security in _security(operation.access) for name in security}
    info = {"title": service, "version": version} | ({"description": description} if description else {})
    return {
        "openapi": OPENAPI,
        "info": info,
        "tags": _tags(operations),
        "paths": paths,
        "components": {
            "schemas": schemas.components,
            "securitySchemes": {name: scheme for name, scheme in SECURITY_SCHEMES.items() if name in used},
        },
    }


def item_type(operation: AnyOperation) -> Any:
    """What a reply consists of: its type, or for a `Stream[T]` its ``T``."""
    return get_args(operation.reply)[0] if operation.streams else operation.reply


def reads_body(operation: AnyOperation, schema: Schema) -> bool:
    """Whether fields are left for a body when the path has taken its own. ``schema``: the request's, resolved."""
    if is_nothing(operation.request) or operation.method in QUERY_METHODS:
        return False
    return "properties" not in schema or bool(schema["properties"].keys() - set(_in_path(operation).values()))


def _in_path(operation: AnyOperation) -> dict[str, str]:
    """The path's parameters, and the names that these fields have in the request's schema."""
    wire = wire_names(operation.request) or {}
    return {parameter: wire.get(parameter, parameter) for parameter in operation.parameters}


def _operation(operation: AnyOperation, schemas: Schemas) -> Schema:
    reference = {} if is_nothing(operation.request) else schemas.read(operation.request)
    schema = schemas.resolve(reference)
    body = reads_body(operation, schema)
    found: Schema = {
        "operationId": operation.qualified,
        "summary": operation.summary or operation.name.replace("_", " ").capitalize(),
        "tags": [operation.api.__name__],
        "security": _security(operation.access),
    }
    if parameters := _parameters(operation, schema):
        found["parameters"] = parameters
    if body:
        found["requestBody"] = _body(operation, reference, schema)
    found["responses"] = _responses(operation, schemas, body=body)
    found["x-idempotent"] = operation.idempotent
    found["x-deadline-seconds"] = operation.deadline
    if operation.access.roles:
        found["x-roles"] = list(operation.access.roles)
    if operation.access.peers:
        found["x-peers"] = list(operation.access.peers)
    if operation.access.trusted:
        found["x-trusted"] = list(operation.access.trusted)
    return found


def _parameters(operation: AnyOperation, schema: Schema) -> list[Schema]:
    properties: Schema = schema.get("properties", {})
    required = set(schema.get("required", ()))
    path = _in_path(operation)
    found = [_parameter("path", name, properties.get(wire, {"type": "string"}), True) for name, wire in path.items()]
    if operation.method in QUERY_METHODS:
        others = (name for name in properties if name not in path.values())
        found += [_parameter("query", name, properties[name], name in required) for name in others]
    if operation.keyed:
        key = _parameter("header", "Idempotency-Key", {"type": "string", "minLength": 1, "maxLength": MAX_KEY}, False)
        found.append(
            key | {"description": "A repeat with the same key and the same request gets the first reply again."}
        )
    return found


def _demand(written: Schema, headers: Collection[str]) -> None:
    """Marks the headers as required; those that are not there yet are added."""
    known = {one["name"].lower(): one for one in written.get("parameters", ()) if one["in"] == "header"}
    for name in headers:
        if name in known:
            known[name]["required"] = True
        else:
            written.setdefault("parameters", []).append(_parameter("header", name, {"type": "string"}, True))


def _parameter(place: str, name: str, schema: Schema, required: bool) -> Schema:
    return {"name": name, "in": place, "required": required, "schema": schema}


def _body(operation: AnyOperation, reference: Schema, schema: Schema) -> Schema:
    rest = without(schema, _in_path(operation).values())
    required = "properties" not in schema or bool(rest["required"])
    content = {"schema": rest if operation.parameters else reference}
    return {"required": required, "content": {FORM if operation.http.form else JSON: content}}


def _responses(operation: AnyOperation, schemas: Schemas, *, body: bool) -> Schema:
    found = {str(_status(operation)): _success(operation, schemas)}
    problem = schemas.written(Problem)
    for reply in replies_of(operation, body=body):
        content = {"schema": problem, "examples": reply.examples}
        found[str(reply.status)] = {
            "description": reply.description,
            **({"headers": reply.headers} if reply.headers else {}),
            "content": {PROBLEM_MEDIA_TYPE: content},
        }
    return dict(sorted(found.items()))


def _status(operation: AnyOperation) -> int:
    return operation.http.status


def _success(operation: AnyOperation, schemas: Schemas) -> Schema:
    found: Schema = {"description": "Done" if is_nothing(operation.reply) else "The reply"}
    headers: Schema = {}
    if operation.http.location:
        headers["Location"] = {
            "description": f"Where it is: {operation.http.location}",
            "schema": {"type": "string", "format": "uri-reference"},
        }
    if operation.http.cache_control:
        headers["Cache-Control"] = {"schema": {"type": "string", "const": operation.http.cache_control}}
    if headers:
        found["headers"] = headers
    if operation.streams:
        found["description"] = "Server-sent events; the data of each is one JSON document"
        item = schemas.written(item_type(operation))
        found["content"] = {"text/event-stream": {"schema": {"type": "string"}, "x-event-schema": item}}
    elif not is_nothing(operation.reply):
        found["content"] = {JSON: {"schema": schemas.written(operation.reply)}}
    return found


def _security(access: Access) -> list[Schema]:
    if access.public:
        return []
    if access.peers:
        return [{"peer": []}]
    return [{"bearer": list(access.scopes)}, *([{"peer": []}] if access.trusted else [])]


def _tags(operations: list[AnyOperation]) -> list[Schema]:
    apis: dict[str, type[Api]] = {operation.api.__name__: operation.api for operation in operations}
    return [{"name": name} | ({"description": _first_line(api)} if api.__doc__ else {}) for name, api in apis.items()]


def _first_line(api: type[Api]) -> str:
    return (api.__doc__ or "").strip().splitlines()[0]
