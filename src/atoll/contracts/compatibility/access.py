"""Who may call: whether everyone who might call the old release may call the new one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

Schema = Mapping[str, Any]


def access_changes(old: Schema, new: Schema) -> Iterator[tuple[str, str, bool]]:
    """(path, reason, breaking), from the old operation's object to the new one's."""
    yield from _security(_ways(old), _ways(new))
    yield from _names("x-roles", "roles", old, new, none_is_all=True)
    for part, label in (("x-peers", "peers that may call"), ("x-trusted", "trusted services")):
        yield from _names(part, label, old, new, none_is_all=False)


def _ways(operation: Schema) -> dict[str, frozenset[str]]:
    """By scheme the scopes that it needs; empty for an operation that is public."""
    return {name: frozenset(scopes) for way in operation.get("security", ()) for name, scopes in way.items()}


def _security(old: dict[str, frozenset[str]], new: dict[str, frozenset[str]]) -> Iterator[tuple[str, str, bool]]:
    if old == new:
        return
    if not new:
        yield "access", "is public now", False
    elif not old:
        yield "access", f"was public and needs {_shown(new)} now", True
    else:
        lost = [name for name in old if name not in new or not new[name] <= old[name]]
        yield "access", f"needed {_shown(old)} and needs {_shown(new)} now", bool(lost)


def _names(part: str, label: str, old: Schema, new: Schema, *, none_is_all: bool) -> Iterator[tuple[str, str, bool]]:
    before, after = set(old.get(part, ())), set(new.get(part, ()))
    if before == after:
        return
    lost = before - after if before or not none_is_all else after
    if none_is_all and not after:
        lost = set()
    yield label, f"were {_listed(before)} and are {_listed(after)} now", bool(lost)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


def _shown(ways: dict[str, frozenset[str]]) -> str:
    return " or ".join(
        " with ".join((name, ", ".join(sorted(scopes)))) if scopes else name for name, scopes in ways.items()
    )
