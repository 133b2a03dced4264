"""`Contract`: what a release keeps of itself, as files that people and other releases can compare."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from atoll.contracts.compatibility import Documents
from atoll.contracts.compatibility.shape import mistake_in
from atoll.system import Trouble

FILES = ("openapi.json", "asyncapi.json", "calls.json", "database.json")


class Migration(msgspec.Struct, frozen=True):
    """One revision. sql: all that it does. contract: the version that stopped using what it takes away; "" for most."""

    revision: str
    file: str
    sql: str
    contract: str = ""


class Statement(msgspec.Struct, frozen=True):
    """A text with SQL in the release's code. place: ``shop_orders/store.py:14``."""

    place: str
    sql: str


@dataclass(frozen=True, slots=True)
class Contract:
    """The documents of one release, its migrations in their order, and the statements of its code.

    label: how it is called where somebody reads of it, such as ``orders 0.2.0``.
    """

    label: str
    version: str
    documents: Documents
    migrations: tuple[Migration, ...] = ()
    statements: tuple[Statement, ...] = ()


class _Database(msgspec.Struct, frozen=True):
    version: str = ""
    migrations: tuple[Migration, ...] = ()
    statements: tuple[Statement, ...] = ()


def read_contract(folder: Path, service: str, label: str = "") -> Contract:
    """The contract in that folder; a file that is not there says nothing. Trouble for one that cannot be read."""
    if not folder.is_dir():
        raise Trouble(f"{folder}: there is no such folder; 'atoll contract snapshot {service}' writes one")
    found = {name: _read(folder / name) for name in FILES}
    return contract_of(found, service, label)


def contract_of(found: Mapping[str, Mapping[str, Any]], service: str, label: str = "") -> Contract:
    """The same from the documents by their files' names."""
    documents = Documents(
        service, found.get("openapi.json", {}), found.get("asyncapi.json", {}), found.get("calls.json", {})
    )
    if mistake := mistake_in(documents.openapi, documents.asyncapi):
        raise Trouble(f"{service}: {mistake}; mend the document, or take it away")
    try:
        database = msgspec.convert(found.get("database.json", {}), _Database)
    except msgspec.ValidationError as error:
        raise Trouble(f"{service}: database.json: {error}; write the contract again") from None
    version = database.version or _version(documents)
    return Contract(
        label or f"{service} {version}".strip(), version, documents, database.migrations, database.statements
    )


def write_contract(found: Mapping[str, Mapping[str, Any]], folder: Path) -> tuple[Path, ...]:
    """Each document as a file, in a fixed order, so that two can be compared line by line; files of nothing are removed."""
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name in FILES:
        file = folder / name
        if found.get(name):
            text = json.dumps(found[name], indent=2, sort_keys=True, ensure_ascii=False)
            file.write_text(f"{text}\n", "utf-8")
            written.append(file)
        else:
            file.unlink(missing_ok=True)
    return tuple(written)


def _version(documents: Documents) -> str:
    for document in (documents.openapi, documents.asyncapi):
        if "info" in document:
            return str(document["info"].get("version", ""))
    return ""


def _read(file: Path) -> dict[str, Any]:
    if not file.is_file():
        return {}
    try:
        found: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
    except (msgspec.MsgspecError, UnicodeDecodeError, OSError) as error:
        raise Trouble(f"{file} cannot be read: {error}; write it again: atoll contract snapshot") from None
    return found
