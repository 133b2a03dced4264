"""What can be told of a statement from its text."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.platform.gate.words import Key

UNKNOWN = "is not known to be safe"


@dataclass(frozen=True, slots=True)
class Effect:
    """What a migration does to what is there already.

    kind: "drop table", "rename table", "move table", "empty", "drop column", "rename column", "change type", "require",
    "add required", "drop default", "drop constraint", "rename constraint", "drop index", "restrict", "drop schema",
    "rename schema", "drop object", "rename object". table: or index, schema or object. column: or constraint; "" for a whole
    table. to: the new name or type, or what restricts. schema: "" for public, and where none is said.
    """

    kind: str
    table: str
    column: str = ""
    to: str = ""
    schema: str = ""


@dataclass(frozen=True, slots=True)
class Told:
    """effects: what is known. doubts: what is not. new: what it makes. about: the object that it is about."""

    effects: tuple[Effect, ...] = ()
    doubt: str = ""
    new: tuple[Key, ...] = ()
    about: Key | None = None
