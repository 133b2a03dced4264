"""Reading the tokens of a statement: which words follow each other, and which names stand there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TypeAlias

from atoll.platform.gate.sqltext import Token

Tokens: TypeAlias = tuple[Token, ...]
Key: TypeAlias = tuple[str, str, str]
"""What names a thing of the database: its kind, its schema, its name."""

_RELATIONS = frozenset({"TABLE", "VIEW", "INDEX", "SEQUENCE"})  # of which PostgreSQL has one of a name


@dataclass(frozen=True, slots=True)
class Name:
    """Of a table, say. schema: "" for public, and where none is said."""

    schema: str
    name: str

    def key(self, kind: str) -> Key:
        return ("relation" if kind in _RELATIONS else kind, self.schema, self.name)


def after(tokens: Tokens, pattern: str) -> Tokens | None:
    """What follows those words. ``A|B``: one of them; ``A?``: it may be missing."""
    at = 0
    for part in pattern.split():
        words = part.rstrip("?").split("|")
        if at < len(tokens) and tokens[at].word in words:
            at += 1
        elif not part.endswith("?"):
            return None
    return tokens[at:]


def starts(tokens: Tokens, *patterns: str) -> bool:
    """Whether they begin with one of the patterns."""
    return any(after(tokens, pattern) is not None for pattern in patterns)


def has(tokens: Tokens, *words: str) -> bool:
    """Whether the words follow each other somewhere."""
    return any(starts(tokens[at:], " ".join(words)) for at in range(len(tokens)))


def name_in(tokens: Tokens) -> tuple[Name, Tokens]:
    """``public`` is where a name without a schema is looked for."""
    parts, at = [tokens[0].name if tokens else ""], 1
    while at + 1 < len(tokens) and tokens[at].text == ".":
        parts.append(tokens[at + 1].name)
        at += 2
    schema = parts[-2] if len(parts) > 1 else ""
    return Name("" if schema == "public" else schema, parts[-1]), tokens[at:]


def names_in(tokens: Tokens) -> Iterator[Name]:
    """Those of a list with commas."""
    for part in parts_of(tokens):
        yield name_in(after(part, "ONLY?") or part)[0]


def parts_of(tokens: Tokens) -> Iterator[Tokens]:
    """Between the commas that are in no parentheses."""
    depth, begin = 0, 0
    for at, token in enumerate(tokens):
        depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
        if token.text == "," and depth == 0:
            yield tokens[begin:at]
            begin = at + 1
    yield tokens[begin:]


def outside(tokens: Tokens) -> Tokens:
    """Those in no parentheses."""
    depth, found = 0, []
    for token in tokens:
        depth += token.text == "("
        if depth == 0:
            found.append(token)
        depth -= token.text == ")"
    return tuple(found)
