"""PostgreSQL's SQL as tokens: enough to part statements, to fold names, and to leave comments and literals alone."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_TOKEN = re.compile(
    r"""
    (?P<space>\s+)
    | (?P<comment>--[^\n]*|/\*)
    | (?P<literal>[eE]'(?:[^'\\]|\\.|'')*'|(?:[uU]&|[bBxXnN])?'(?:[^']|'')*')
    | (?P<body>\$(?P<tag>(?:[^\W\d]\w*)?)\$.*?\$(?P=tag)\$)
    | (?P<quoted>"(?:[^"]|"")*")
    | (?P<place>\$\d+|%s\b|%\(\w+\)s)
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*)
    | (?P<end>;)
    | (?P<sign>.)
    """,
    re.VERBOSE | re.DOTALL,
)
_EDGE = re.compile(r"/\*|\*/")
_NEUTRAL = " '0' "  # a literal that stands wherever a parameter does


@dataclass(frozen=True, slots=True)
class Token:
    """kind: the name of a group of `_TOKEN`. start: where it stands in the text."""

    kind: str
    text: str
    start: int

    @property
    def word(self) -> str:
        """In capitals, if it may be a keyword; a quoted name is none."""
        return self.text.upper() if self.kind in {"word", "sign"} else ""

    @property
    def name(self) -> str:
        """As PostgreSQL folds it; "" if it is no name."""
        if self.kind == "quoted":
            return self.text[1:-1].replace('""', '"')
        return self.text.lower() if self.kind == "word" else ""


@dataclass(frozen=True, slots=True)
class Piece:
    """One statement. line: of its first word. comments: those above it and inside. tokens: without them."""

    text: str
    line: int
    comments: tuple[str, ...]
    tokens: tuple[Token, ...]


def pieces_of(sql: str) -> Iterator[Piece]:
    """The statements, parted at semicolons that are in no literal, body or comment."""
    found: list[Token] = []
    for token in _tokens(sql):
        if token.kind != "end":
            found.append(token)
        else:
            yield from _piece(sql, found)
            found = []
    yield from _piece(sql, found)


def comments_in(sql: str) -> Iterator[Token]:
    """All of them, wherever they stand."""
    return (token for token in _tokens(sql) if token.kind == "comment")


def without_placeholders(sql: str) -> str:
    """With a literal in place of each parameter of asyncpg or psycopg."""
    return "".join(_NEUTRAL if token.kind == "place" else token.text for token in _tokens(sql))


def names_in(sql: str) -> frozenset[str]:
    """Every word that may be a name, folded."""
    return frozenset(token.name for token in _tokens(sql) if token.name)


def _piece(sql: str, found: list[Token]) -> Iterator[Piece]:
    tokens = tuple(token for token in found if token.kind not in {"space", "comment"})
    if tokens:
        begin, end = tokens[0].start, tokens[-1].start + len(tokens[-1].text)
        comments = tuple(token.text for token in found if token.kind == "comment")
        yield Piece(sql[begin:end], sql.count("\n", 0, begin) + 1, comments, tokens)


def _tokens(sql: str) -> Iterator[Token]:
    at = 0
    while match := _TOKEN.match(sql, at):
        kind = match.lastgroup if match.lastgroup != "tag" else "body"
        end = _end_of_comment(sql, at) if match.group() == "/*" else match.end()
        yield Token(kind or "", sql[at:end], at)
        at = end


def _end_of_comment(sql: str, begin: int) -> int:
    """PostgreSQL's comments nest."""
    depth = 0
    for edge in _EDGE.finditer(sql, begin):
        depth += 1 if edge.group() == "/*" else -1
        if depth == 0:
            return edge.end()
    return len(sql)
