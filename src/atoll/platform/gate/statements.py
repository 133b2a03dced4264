"""What one statement does, or why nobody can tell. What is not listed here is doubted."""

from __future__ import annotations

from collections.abc import Iterator

from atoll.platform.gate.altering import action_of
from atoll.platform.gate.sqltext import pieces_of
from atoll.platform.gate.told import UNKNOWN, Effect, Told
from atoll.platform.gate.words import Key, Name, Tokens, after, has, name_in, names_in, parts_of, starts

_OVERLOADED = frozenset({"FUNCTION", "PROCEDURE", "AGGREGATE"})  # of which PostgreSQL has many of a name


_HARMLESS = (
    "SELECT|VALUES|INSERT|MERGE|UPDATE|DELETE|WITH",  # rows may change: backfills do that
    "GRANT|ANALYZE|REINDEX",  # of REINDEX, squawk has its opinion
    "COMMENT ON",
    "BEGIN|COMMIT|END",
    "START TRANSACTION",
    "REFRESH MATERIALIZED VIEW CONCURRENTLY",
    "SET LOCAL|SESSION? LOCK_TIMEOUT|STATEMENT_TIMEOUT|TRANSACTION_TIMEOUT|MAINTENANCE_WORK_MEM",
    "RESET LOCK_TIMEOUT|STATEMENT_TIMEOUT|TRANSACTION_TIMEOUT|MAINTENANCE_WORK_MEM",
)
_DOUBTS = {
    "DO": "does what only the database sees",
    "CALL": "does what only the database sees",
    "EXECUTE": "does what only the database sees",
    "LOCK": "locks what others use",
    "VACUUM": "may lock the table while it is written again",
    "CLUSTER": "locks the table while it is written again",
    "REFRESH": "locks the view while it is filled; REFRESH it CONCURRENTLY",
    "REVOKE": "takes rights away that the code may need",
    "SET": "changes what the statements after it mean",
}
_NEW = (
    "SCHEMA|TYPE|DOMAIN|SEQUENCE|VIEW|FUNCTION|PROCEDURE|AGGREGATE|EXTENSION|COLLATION|STATISTICS|ROLE|PUBLICATION",
    "TEMP|TEMPORARY RECURSIVE? VIEW|SEQUENCE",
    "UNLOGGED SEQUENCE",
    "RECURSIVE VIEW",
    "MATERIALIZED VIEW",
    "FOREIGN TABLE",
)
_TABLE = "GLOBAL|LOCAL? TEMP|TEMPORARY|UNLOGGED? TABLE"


def told_of(tokens: Tokens) -> Told:
    """What a statement does."""
    if (rest := after(tokens, "CREATE")) is not None:
        return _create(rest)
    if (rest := after(tokens, "DROP")) is not None:
        return _drop(rest)
    if (rest := after(tokens, "ALTER")) is not None:
        return _alter(rest)
    if (rest := after(tokens, "TRUNCATE TABLE?")) is not None:
        return Told(tuple(Effect("empty", one.name, schema=one.schema) for one in names_in(rest)))
    if starts(tokens, *_HARMLESS):
        return Told()
    return Told(_hidden(tokens), _DOUBTS.get(tokens[0].word, UNKNOWN))


def _hidden(tokens: Tokens) -> tuple[Effect, ...]:
    """What stands plainly in the body of a DO block."""
    bodies = [token.text.strip("$") for token in tokens if token.kind == "body"]
    found = [piece.tokens for body in bodies for piece in pieces_of(body)]
    begun = [one[at:] for one in found for at, token in enumerate(one) if token.word in {"ALTER", "DROP", "TRUNCATE"}]
    return tuple(effect for one in begun for effect in told_of(one).effects)


def _create(tokens: Tokens) -> Told:
    if (rest := after(tokens, _TABLE)) is not None:
        lasting = not has(tokens[:2], "TEMP|TEMPORARY") and not starts(rest, "IF NOT EXISTS")
        return Told(new=(name_in(rest)[0].key("TABLE"),) if lasting else ())
    if (rest := after(tokens, "UNIQUE? INDEX CONCURRENTLY?")) is not None:
        return _index(rest, is_unique=starts(tokens, "UNIQUE"))
    if (rest := after(tokens, "OR")) is not None:
        return Told(doubt="may replace what the code uses", about=_about_new(after(rest, "REPLACE") or ()))
    if starts(tokens, *_NEW):
        key = _about_new(tokens)
        sure = key is not None and key[0] not in _OVERLOADED and not has(tokens[:6], "IF", "NOT", "EXISTS")
        return Told(new=(key,) if key is not None and sure else ())
    if starts(tokens, "CONSTRAINT? TRIGGER", "RULE", "POLICY"):
        return Told(doubt="changes what the code's writes do", about=table_after_on(tokens))
    return Told(doubt=UNKNOWN)


def _about_new(tokens: Tokens) -> Key | None:
    """``MATERIALIZED VIEW IF NOT EXISTS a.b``: the view a.b."""
    rest = after(tokens, "TEMP|TEMPORARY|UNLOGGED? MATERIALIZED|FOREIGN|RECURSIVE?") or tokens
    if len(rest) < 2 or starts(tokens, "TEMP|TEMPORARY"):
        return None
    return name_in(after(rest[1:], "IF? NOT? EXISTS?") or ())[0].key(rest[0].word)


def made_if_missing(tokens: Tokens) -> Iterator[Key]:
    """What CREATE ... IF NOT EXISTS leaves there, whoever made it."""
    rest = after(tokens, "CREATE UNLOGGED? TABLE IF NOT EXISTS")
    if rest is not None:
        yield name_in(rest)[0].key("TABLE")
    elif starts(tokens, *(f"CREATE {new} IF NOT EXISTS" for new in _NEW)):
        key = _about_new(tokens[1:])
        if key is not None:
            yield key


def table_after_on(tokens: Tokens) -> Key | None:
    """The table after the first ON, or TO."""
    for at, token in enumerate(tokens):
        if token.word == "ON":
            return name_in(after(tokens[at + 1 :], "ONLY?") or ())[0].key("TABLE")
    return None


def _index(tokens: Tokens, *, is_unique: bool) -> Told:
    """A unique one forbids rows that the old release may write."""
    table = table_after_on(tokens)
    name = name_in(after(tokens, "IF? NOT? EXISTS?") or ())[0]
    kept = not starts(tokens, "IF NOT EXISTS") and not starts(tokens, "ON")
    new = (Name(table[1] if table else "", name.name).key("INDEX"),) if kept else ()
    if table is None or not is_unique:
        return Told(new=new)
    return Told((Effect("restrict", table[2], to="a unique index", schema=table[1]),), new=new, about=table)


def _drop(tokens: Tokens) -> Told:
    doubt = "takes what it does not name with it (CASCADE)" if has(tokens, "CASCADE") else ""
    if (rest := after(tokens, "MATERIALIZED|FOREIGN? TABLE|VIEW IF? EXISTS?")) is not None:
        return Told(_each("drop table", rest), doubt)
    if (rest := after(tokens, "INDEX CONCURRENTLY? IF? EXISTS?")) is not None:
        return Told(_each("drop index", rest), doubt)
    if (rest := after(tokens, "SCHEMA IF? EXISTS?")) is not None:
        return Told(_each("drop schema", rest), doubt)
    if (rest := after(tokens, "TYPE|DOMAIN|SEQUENCE|FUNCTION|PROCEDURE IF? EXISTS?")) is not None:
        kind = tokens[0].word
        made = name_in(rest)[0].key(kind) if len([*names_in(rest)]) == 1 else None
        return Told(_each("drop object", rest, to=kind.lower()), doubt, about=made)
    if starts(tokens, "TRIGGER|RULE|POLICY"):
        return Told(doubt="changes what the code's writes do", about=table_after_on(tokens))
    return Told(doubt="takes away what the code may use")


def _each(kind: str, tokens: Tokens, to: str = "") -> tuple[Effect, ...]:
    return tuple(Effect(kind, one.name, to=to, schema=one.schema) for one in names_in(tokens))


def _alter(tokens: Tokens) -> Told:
    if (rest := after(tokens, "MATERIALIZED|FOREIGN? TABLE|VIEW IF? EXISTS? ONLY?")) is not None:
        name, actions = name_in(rest)
        told = [action_of(name, one) for one in parts_of(after(actions, "*?") or ())]
        effects = tuple(effect for one in told for effect in one.effects)
        return Told(effects, next((one.doubt for one in told if one.doubt), ""), about=name.key("TABLE"))
    if starts(tokens, "SCHEMA") and (renamed := _renamed(tokens[1:])) is not None:
        return Told((Effect("rename schema", renamed[0].name, to=renamed[1]),))
    if (rest := after(tokens, "TYPE|DOMAIN|SEQUENCE|FUNCTION|PROCEDURE IF? EXISTS?")) is not None:
        return _alter_object(tokens[0].word, rest)
    return Told(doubt=UNKNOWN)


def _renamed(tokens: Tokens) -> tuple[Name, str] | None:
    name, rest = name_in(tokens)
    to = after(rest, "RENAME TO")
    return (name, to[0].name) if to else None


def _alter_object(kind: str, tokens: Tokens) -> Told:
    name, rest = name_in(tokens)
    key = name.key(kind)
    if kind == "TYPE" and starts(rest, "ADD VALUE"):
        return Told(about=key)
    if starts(rest, "RENAME", "SET SCHEMA"):
        effect = Effect("rename object", name.name, to=kind.lower(), schema=name.schema)
        return Told((effect,), about=key)
    return Told(doubt=UNKNOWN, about=key)
