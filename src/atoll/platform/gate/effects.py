"""What one statement of a migration does to what is there already, or why nobody can tell from its text.

Only statements that are known to disturb no release that runs have no effect and no doubt: whatever is not listed is doubted.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from atoll.platform.gate.sqltext import Piece, pieces_of
from atoll.platform.gate.statements import made_if_missing, told_of
from atoll.platform.gate.told import UNKNOWN, Effect, Told
from atoll.platform.gate.words import Key, Name, Tokens, after, name_in, starts

_SHOWN = 60  # characters of a statement that is quoted
_MARK = "atoll-looked-at"


@dataclass(frozen=True, slots=True)
class Step:
    """One statement. doubt: why it may disturb a release that runs, though nobody can say what; "" if that is known.

    looked_at: whether a person says so above it.
    """

    head: str
    line: int
    effects: tuple[Effect, ...] = ()
    doubt: str = ""
    looked_at: bool = False


def effects_of(sql: str) -> list[Effect]:
    """Of all statements, in their order; without what happens to things that the same SQL makes."""
    return [effect for step in steps_of([sql])[0] for effect in step.effects]


def steps_of(migrations: Collection[str], before: Collection[str] = ()) -> list[tuple[Step, ...]]:
    """For each migration its statements. What they make themselves is theirs to change; what is there ``before`` is not."""
    there = frozenset(key for sql in before for piece in pieces_of(sql) for key in told_of(piece.tokens).new)
    there |= frozenset(key for sql in before for piece in pieces_of(sql) for key in made_if_missing(piece.tokens))
    made: set[Key] = set()
    return [tuple(_read(piece, made, there) for piece in pieces_of(sql)) for sql in migrations]


@lru_cache
def tables_made(migrations: tuple[str, ...]) -> frozenset[tuple[str, str]]:
    """(schema, name) of whatever they create that a statement can read."""
    pieces = [piece.tokens for sql in migrations for piece in pieces_of(sql)]
    found = [key for tokens in pieces for key in (*told_of(tokens).new, *made_if_missing(tokens))]
    return frozenset((schema, name) for kind, schema, name in found if kind == "relation")


@lru_cache
def unique_names(migrations: tuple[str, ...]) -> tuple[frozenset[str], frozenset[str]]:
    """Of constraints and indexes: those that are said to be unique, and those that are said to be something else."""
    unique, other = set[str](), set[str]()
    for sql in migrations:
        for piece in pieces_of(sql):
            for name, is_unique in _named(piece.tokens):
                (unique if is_unique else other).add(name)
    return frozenset(unique), frozenset(other - unique)


def _read(piece: Piece, made: set[Key], there: frozenset[Key]) -> Step:
    told = told_of(piece.tokens)
    step = _step(piece, _without(told, made))
    made |= set(told.new) - there
    made |= {
        _key(replace(one, table=one.to)) for one in told.effects if one.kind == "rename table" and _key(one) in made
    }
    return step


def _step(piece: Piece, told: Told) -> Step:
    head = " ".join(piece.text.split())
    head = head if len(head) <= _SHOWN else f"{head[:_SHOWN]}..."
    known = tuple(effect for effect in told.effects if effect.table)
    doubt = told.doubt or (UNKNOWN if known != told.effects else "")  # of a thing that has no name
    return Step(head, piece.line, known, doubt, any(_says_looked_at(text) for text in piece.comments))


def _says_looked_at(comment: str) -> bool:
    """With a reason: a mark that says nothing is no look."""
    words = comment.strip("-/* \n").split()
    return len(words) > 1 and words[0].rstrip(":") == _MARK


def _without(told: Told, made: Collection[Key]) -> Told:
    if told.about is not None and told.about in made:
        return Told(new=told.new)
    return replace(told, effects=tuple(one for one in told.effects if _key(one) not in made))


def _key(effect: Effect) -> Key:
    kind = {"drop object": effect.to.upper(), "rename object": effect.to.upper()}.get(effect.kind, "TABLE")
    return Name(effect.schema, effect.table).key("SCHEMA" if effect.kind.endswith("schema") else kind)


def _named(tokens: Tokens) -> Iterator[tuple[str, bool]]:
    if (rest := after(tokens, "CREATE UNIQUE? INDEX CONCURRENTLY? IF? NOT? EXISTS?")) is not None:
        yield name_in(rest)[0].name, starts(tokens, "CREATE UNIQUE")
    for at, token in enumerate(tokens[:-2]):
        if token.word == "CONSTRAINT":
            yield tokens[at + 1].name, starts(tokens[at + 2 :], "UNIQUE|PRIMARY|EXCLUDE")
