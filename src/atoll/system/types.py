"""Whether the fields of a model's node have the types that they say: a wrong one is a single line with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, is_dataclass
from functools import cache
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin, get_type_hints

from atoll.system.trouble import Trouble


def require_types(node: object, place: str) -> None:
    """Trouble, naming ``place``, for the first field of the dataclass whose value is not of its type."""
    kind: Any = type(node)
    for name, hint in _hints(kind).items():
        value = getattr(node, name)
        if not _fits(value, hint):
            shown = "..." if name == "address" else _shown(value)  # an address may hold a password
            raise Trouble(f"{place}: {_label(node)}: {name}={shown} {_remedy(name, value, hint)}")


@cache
def _hints(kind: Any) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}


def _fits(value: object, hint: Any) -> bool:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return any(_fits(value, one) for one in arguments)
    if origin is tuple:
        return isinstance(value, (tuple, list)) and all(_fits(item, arguments[0]) for item in value)
    if origin is dict:
        return isinstance(value, dict) and all(
            _fits(k, arguments[0]) and _fits(v, arguments[1]) for k, v in value.items()
        )
    if origin is type:
        return isinstance(value, type) and issubclass(value, arguments[0])
    if hint is float:
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    if hint is int:
        return isinstance(value, int) and not isinstance(value, bool)
    return isinstance(value, origin or hint)  # of Operation[...] the class


def _remedy(name: str, value: object, hint: Any) -> str:
    if get_origin(hint) is tuple:
        return _remedy_of_tuple(name, value, get_args(hint)[0])
    kinds = _kinds(hint)
    nodes = [kind.__name__ for kind in kinds if is_dataclass(kind)]
    if value is True and nodes:
        return f"is no {nodes[0]}; write {name}={nodes[0]}(...)"
    if bool in kinds:
        return f"is neither True nor False; write {name}=True, or leave it out"
    if int in kinds and isinstance(value, str) and value.lstrip("-").isdigit():
        return f"is text; write {name}={value}"
    return f"is {_article(type(value))}; it must be {_words(hint)}"


def _remedy_of_tuple(name: str, value: object, item: Any) -> str:
    if _fits(value, item):
        return f"is no tuple; write {name}=({_shown(value)},) with a comma"
    if not isinstance(value, (tuple, list)):
        return f"is {_article(type(value))}; it must be {_words(tuple[item, ...])}"
    wrong = next(one for one in value if not _fits(one, item))
    return f"has {_shown(wrong)} in it, which is {_article(type(wrong))}; it must be {_words(tuple[item, ...])}"


def _kinds(hint: Any) -> tuple[type, ...]:
    """The alternatives of a union, without None."""
    if get_origin(hint) in (Union, UnionType):
        return tuple(one for one in get_args(hint) if one is not NoneType)
    return (hint,)


_WORDS = {str: "text", int: "a whole number", float: "a number", bool: "True or False", NoneType: "None"}


def _words(hint: Any) -> str:
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(_words(one) for one in arguments)
    if origin is tuple:
        return f"a tuple, each item {_words(arguments[0])}"
    if origin is dict:
        return f"a dict from {_words(arguments[0])} to {_words(arguments[1])}"
    if origin is Callable:
        return "a function"
    if origin is type:
        return f"a class that derives from {arguments[0].__name__}"
    return _WORDS.get(hint) or f"{hint.__name__}(...)"


def _article(kind: type) -> str:
    if issubclass(kind, type):
        return "a class"
    return _WORDS.get(kind) or f"{'an' if kind.__name__[0] in 'AEIOU' else 'a'} {kind.__name__}"


def _shown(value: object) -> str:
    """As a person would write it, and short."""
    if isinstance(value, type):
        return value.__name__
    if is_dataclass(value):
        return f"{type(value).__name__}(...)"
    if isinstance(value, (tuple, list)):
        inner = ", ".join(_shown(item) for item in value)
        return f"({inner}{',' if len(value) == 1 else ''})"
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}..."


_LONGEST = 60


def _label(node: object) -> str:
    name = getattr(node, "name", None)
    kind = type(node).__name__
    return f"{kind} {name!r}" if isinstance(name, str) else kind
