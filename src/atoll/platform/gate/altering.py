"""What one action of an ALTER TABLE does."""

from __future__ import annotations

from atoll.platform.gate.told import UNKNOWN, Effect, Told
from atoll.platform.gate.words import Name, Tokens, after, has, name_in, outside, starts

_HARMLESS_ACTIONS = (
    "VALIDATE CONSTRAINT",
    "SET|RESET (",
)
_HARMLESS_OF_COLUMN = (
    "SET DEFAULT",
    "DROP NOT NULL",
    "SET STATISTICS|STORAGE|COMPRESSION",
    "SET|RESET (",
)
_CONSTRAINTS = "CONSTRAINT|CHECK|UNIQUE|PRIMARY|FOREIGN|EXCLUDE"
_RESTRICTING = {"CHECK": "a CHECK", "UNIQUE": "UNIQUE", "PRIMARY": "a primary key", "EXCLUDE": "an EXCLUDE"}
_SERIAL = "SERIAL|SERIAL2|SERIAL4|SERIAL8|BIGSERIAL|SMALLSERIAL"


def action_of(table: Name, tokens: Tokens) -> Told:
    """What stands between two commas of an ALTER TABLE."""
    if (rest := after(tokens, "DROP")) is not None:
        return _drop_part(table, rest)
    if (rest := after(tokens, "RENAME")) is not None:
        return _rename_part(table, rest)
    if (to := after(tokens, "SET SCHEMA")) is not None:
        return Told((Effect("move table", table.name, to=name_in(to)[0].name, schema=table.schema),))
    if rest := after(tokens, "ALTER COLUMN?"):
        return _alter_column(table, rest[0].name, rest[1:])
    if (rest := after(tokens, "ADD")) is not None:
        return _add_constraint(table, rest) if starts(rest, _CONSTRAINTS) else _add_column(table, rest)
    if starts(tokens, *_HARMLESS_ACTIONS):
        return Told()
    if starts(tokens, "SET LOGGED|UNLOGGED|TABLESPACE"):
        return Told(doubt="locks the table while it is written again")
    return Told(doubt=UNKNOWN)


def _part(kind: str, table: Name, column: str, to: str = "", doubt: str = "") -> Told:
    return Told((Effect(kind, table.name, column, to, table.schema),), doubt)


def _drop_part(table: Name, tokens: Tokens) -> Told:
    doubt = "takes what it does not name with it (CASCADE)" if has(tokens, "CASCADE") else ""
    if (rest := after(tokens, "CONSTRAINT IF? EXISTS?")) is not None:
        return _part("drop constraint", table, name_in(rest)[0].name, doubt=doubt)
    rest = after(tokens, "COLUMN? IF? EXISTS?") or ()
    return _part("drop column", table, name_in(rest)[0].name, doubt=doubt)


def _rename_part(table: Name, tokens: Tokens) -> Told:
    if (to := after(tokens, "TO")) is not None:
        return _part("rename table", table, "", name_in(to)[0].name)
    kind = "rename constraint" if starts(tokens, "CONSTRAINT") else "rename column"
    name, rest = name_in(after(tokens, "CONSTRAINT|COLUMN?") or ())
    return _part(kind, table, name.name, name_in(after(rest, "TO") or ())[0].name)


def _alter_column(table: Name, column: str, tokens: Tokens) -> Told:
    if (rest := after(tokens, "SET? DATA? TYPE")) is not None:
        return _part("change type", table, column, _type(rest))
    if starts(tokens, "SET NOT NULL"):
        return _part("require", table, column)
    if starts(tokens, "DROP DEFAULT|IDENTITY") or _is_null(after(tokens, "SET DEFAULT") or ()):
        return _part("drop default", table, column)
    return Told() if starts(tokens, *_HARMLESS_OF_COLUMN) else Told(doubt=UNKNOWN)


def _type(tokens: Tokens) -> str:
    end = next((at for at, token in enumerate(tokens) if token.word in {"USING", "COLLATE"}), len(tokens))
    text = " ".join(token.text.upper() if token.kind == "word" else token.text for token in tokens[:end])
    return text.replace(" (", "(").replace("( ", "(").replace(" )", ")").replace(" ,", ",").replace(" . ", ".")


def _add_constraint(table: Name, tokens: Tokens) -> Told:
    kind = tokens[2:] if starts(tokens, "CONSTRAINT") else tokens
    if starts(kind, "FOREIGN", "UNIQUE USING INDEX"):
        return Told()  # squawk asks for NOT VALID; and the index has been judged where it was made
    if (column := after(kind, "NOT NULL")) is not None:
        return _part("require", table, name_in(column)[0].name)
    to = _RESTRICTING.get(kind[0].word, "") if kind else ""
    return _part("restrict", table, "", to) if to else Told(doubt=UNKNOWN)


def _add_column(table: Name, tokens: Tokens) -> Told:
    name, rest = name_in(after(tokens, "COLUMN? IF? NOT? EXISTS?") or ())
    plain = outside(rest)
    if has(plain, "GENERATED") or starts(rest, _SERIAL):
        return Told(doubt="locks the table while every row is written again; add a column, and fill it")
    default = _has_default(rest)
    if (has(plain, "NOT", "NULL") or has(plain, "PRIMARY", "KEY")) and not default:
        return _part("add required", table, name.name)
    to = next((to for word, to in _RESTRICTING.items() if has(plain, word) and _bites(word, name, rest, default)), "")
    return _part("restrict", table, "", f"{to} of {name.name}") if to else Told()


def _has_default(tokens: Tokens) -> bool:
    """One that is not NULL; ``ON DELETE SET DEFAULT`` gives none."""
    given = [at for at in range(1, len(tokens)) if tokens[at].word == "DEFAULT" and tokens[at - 1].word != "SET"]
    return bool(given) and not _is_null(tokens[given[0] + 1 :])


def _is_null(tokens: Tokens) -> bool:
    return next((token.word for token in tokens if token.text != "("), "") == "NULL"


def _bites(word: str, column: Name, tokens: Tokens, default: bool) -> bool:
    """Whether the constraint of a new column may refuse rows that do not name it: those have its default, or NULL."""
    if word == "UNIQUE":
        return default or has(tokens, "NULLS", "NOT")
    return word != "CHECK" or not _is_plain(column, tokens)


def _is_plain(column: Name, tokens: Tokens) -> bool:
    """Whether the CHECK compares the column with constants only: then NULL passes, and what all rows have has passed."""
    begin = [at for at, token in enumerate(tokens) if token.word == "CHECK"][-1]
    if has(tokens[:begin], "CHECK"):
        return False
    depth, known = 0, {column.name, "and", "or", "in", "between", "not", "like", "length", "any", "array"}
    for token in tokens[begin + 1 :]:
        depth += {"(": 1, ")": -1}.get(token.text, 0)
        if depth == 0:
            break
        if token.name and token.name not in known:
            return False
    return True
