"""What changed in the operations that a service offers: old callers meet the new release, with inputs that are strict."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from atoll.contracts.compatibility.access import access_changes
from atoll.contracts.compatibility.changes import Change, Misfit
from atoll.contracts.compatibility.documents import OperationDocument, operations_in
from atoll.contracts.compatibility.fitting import Fitting

Schema = Mapping[str, Any]
Found = tuple[str, str, bool]  # path, reason, breaking

_PARAMETER = re.compile(r"\{[^}]*\}")
_PROBLEM = "application/problem+json"
_REMEDIES = {
    "request": "give a new field a default, and release the callers before you take one away",
    "reply": "keep the field until nobody reads it, and add another beside it",
}
_KEEP = "offer a new operation beside it, and take this one away when nobody calls it"


def operation_changes(old: Schema, new: Schema) -> Iterator[Change]:
    """From the old OpenAPI document to the new one."""
    before, after = operations_in(old), operations_in(new)
    for name, operation in before.items():
        if name in after:
            for path, reason, breaking in _changed(operation, after[name]):
                yield Change(f"operation {name}", path, reason, breaking, (), _remedy(path) if breaking else "")
        else:
            yield Change(f"operation {name}", "", "is not offered any more", True, (), _KEEP)
    for name in after:
        if name not in before:
            yield Change(f"operation {name}", "", "is new", False)


def _remedy(path: str) -> str:
    return _REMEDIES.get(re.split(r"[. \[]", path)[0], _KEEP)


def _changed(old: OperationDocument, new: OperationDocument) -> Iterator[Found]:
    if _route(old) != _route(new):
        yield "", f"was {old.method} {old.path} and is {new.method} {new.path} now", True
        return
    yield from _parameters(old, new)
    yield from _body(old, new)
    yield from _success(old, new)
    yield from _errors(old, new)
    yield from access_changes(old.parts, new.parts)
    if old.parts.get("x-idempotent") and not new.parts.get("x-idempotent"):
        yield "", "is not idempotent any more, and callers repeat it when an answer is lost", True
    if old.parts.get("x-deadline-seconds") != new.parts.get("x-deadline-seconds"):
        seconds = [parts.get("x-deadline-seconds") for parts in (old.parts, new.parts)]
        yield "deadline", f"was {seconds[0]} s and is {seconds[1]} s now", False


def _route(operation: OperationDocument) -> tuple[str, str]:
    return operation.method, _PARAMETER.sub("{}", operation.path)


def _parameters(old: OperationDocument, new: OperationDocument) -> Iterator[Found]:
    before, after = _by_place(old), _by_place(new)
    for place, parameter in before.items():
        if place in after:
            yield from _narrowed(parameter["schema"], after[place]["schema"], old, new, place)
            if after[place]["required"] and not parameter["required"]:
                yield place, "is required now", True
        else:
            yield place, "is not read any more", True
    for place in after:
        if place not in before:
            required = after[place]["required"]
            yield place, "is new and required" if required else "is new, and may be left out", required


def _by_place(operation: OperationDocument) -> dict[str, Schema]:
    """``request.limit``, ``header idempotency-key``; those of the path by their place, for their names are not on the wire."""
    found = {}
    for parameter in operation.parts.get("parameters", ()):
        match parameter["in"]:
            case "path":
                segments, name = operation.path.split("/"), f"{{{parameter['name']}}}"
                at = next((at for at, segment in enumerate(segments) if name in segment), parameter["name"])
                found[f"path segment {at}"] = parameter
            case "query":
                found[f"request.{parameter['name']}"] = parameter
            case place:
                found[f"{place} {parameter['name'].lower()}"] = parameter
    return found


def _narrowed(
    before: Schema, after: Schema, old: OperationDocument, new: OperationDocument, path: str
) -> Iterator[Found]:
    """A request: what old callers send has to be read."""
    misfits = list(Fitting(old.components, new.components).misfits(before, after))
    yield from _found(misfits, path, old_writes=True, breaking=True)
    wider = Fitting(new.components, old.components).misfits(after, before)
    yield from _found(_others(wider, misfits), path, old_writes=False, breaking=False)


def _widened(
    before: Schema, after: Schema, old: OperationDocument, new: OperationDocument, path: str
) -> Iterator[Found]:
    """A reply: what the new release writes has to be read by old callers."""
    misfits = list(Fitting(new.components, old.components, relied=True).misfits(after, before))
    yield from _found(misfits, path, old_writes=False, breaking=True)
    narrower = Fitting(old.components, new.components, relied=True).misfits(before, after)
    yield from _found(_others(narrower, misfits), path, old_writes=True, breaking=False)


def _others(misfits: Iterator[Misfit], known: list[Misfit]) -> list[Misfit]:
    paths = {misfit.path for misfit in known}
    return [misfit for misfit in misfits if misfit.path not in paths]


def _found(misfits: list[Misfit], path: str, *, old_writes: bool, breaking: bool) -> Iterator[Found]:
    for misfit in misfits:
        inner = misfit.path if not misfit.path or misfit.path.startswith("[") else f".{misfit.path}"
        yield f"{path}{inner}", misfit.reason(old_writes=old_writes), breaking


def _body(old: OperationDocument, new: OperationDocument) -> Iterator[Found]:
    before, after = old.parts.get("requestBody"), new.parts.get("requestBody")
    if before is None and after is None:
        return
    if before is None or after is None:
        required = before is not None or bool(after and after["required"])
        yield "request", "has a body now" if before is None else "has no body any more", required
        return
    if after["required"] and not before["required"]:
        yield "request", "is required now", True
    contents, wanted = before["content"], after["content"]
    for media in contents.keys() - wanted.keys():
        yield "request", f"was {media} and is {' or '.join(wanted) or 'empty'} now", True
    for media in [media for media in contents if media in wanted]:
        yield from _narrowed(contents[media].get("schema", {}), wanted[media].get("schema", {}), old, new, "request")


def _success(old: OperationDocument, new: OperationDocument) -> Iterator[Found]:
    (status, before), (other, after) = _first(old), _first(new)
    if status != other:
        yield "reply", f"had the status {status} and has {other} now", True
    for header in before.get("headers", {}).keys() - after.get("headers", {}).keys():
        yield f"reply header {header.lower()}", "is not sent any more", True
    (media, schema), (kind, wanted) = _content(before), _content(after)
    if media != kind:
        yield "reply", f"was {media or 'empty'} and is {kind or 'empty'} now", bool(media)
    elif media:
        yield from _widened(schema, wanted, old, new, "reply")


def _first(operation: OperationDocument) -> tuple[str, Schema]:
    """The success: Atoll's operations have one."""
    return next((one for one in operation.parts["responses"].items() if one[0].startswith("2")), ("", {}))


def _content(reply: Schema) -> tuple[str, Schema]:
    for media, content in reply.get("content", {}).items():
        return media, content.get("x-event-schema", content.get("schema", {}))
    return "", {}


def _errors(old: OperationDocument, new: OperationDocument) -> Iterator[Found]:
    """A code that callers don't know reaches them as the standard error of its status."""
    before, after = _codes(old), _codes(new)
    for code, status in before.items():
        if code not in after:
            yield f"error {code}", "is not answered any more", False
        elif after[code] != status:
            yield f"error {code}", f"had the status {status} and has {after[code]} now", True
    for code, status in after.items():
        if code not in before:
            yield f"error {code}", f"is new; callers that don't know it take it by its status, {status}", False


def _codes(operation: OperationDocument) -> dict[str, str]:
    return {
        code: status
        for status, reply in operation.parts["responses"].items()
        for code in reply.get("content", {}).get(_PROBLEM, {}).get("examples", {})
    }
