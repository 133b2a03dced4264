"""Twins: an empty copy of a table in another schema, down to the names of its indexes, so that it can take the table's place."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.data.postgres import Connection

_FIND = """
SELECT c.oid::bigint AS oid, n.nspname AS home, c.relname AS name,
  EXISTS (SELECT FROM pg_constraint k WHERE k.contype = 'f' AND c.oid IN (k.conrelid, k.confrelid)) AS has_foreign_keys,
  EXISTS (SELECT FROM pg_depend d WHERE d.refobjid = c.oid AND d.classid = 'pg_rewrite'::regclass AND d.deptype = 'n')
    AS has_views,
  EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = c.oid AND NOT t.tgisinternal) AS has_triggers,
  EXISTS (SELECT FROM pg_attrdef f WHERE f.adrelid = c.oid AND pg_get_expr(f.adbin, f.adrelid) LIKE 'nextval(%')
    AS has_serials,
  c.relkind = 'r' AND NOT c.relispartition AS is_table
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = to_regclass($1)
"""
_INDEXES = """
SELECT c.relname AS name, substring(pg_get_indexdef(i.indexrelid) FROM ' USING .*') AS definition
FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indrelid = to_regclass($1)
ORDER BY i.indisprimary DESC, i.indisunique, definition, c.relname
"""
_OBSTACLES = {
    "has_foreign_keys": "it has foreign keys or is referred to; a read model that is exchanged has none",
    "has_views": "a view depends on it; make the view a query, or a projection",
    "has_triggers": "it has triggers, which a new table would not have",
    "has_serials": "it has a serial column; make it GENERATED ALWAYS AS IDENTITY",
}


@dataclass(frozen=True, slots=True)
class Twin:
    """A table and its twin. old, new: their quoted names. home: the quoted schema of the old one. obstacle: why not."""

    table: str
    oid: int
    old: str
    new: str
    home: str
    obstacle: str


async def find_twin(connection: Connection, table: str, schema: str) -> Twin:
    """What the twin of the table in that schema would be."""
    row = await connection.fetchrow(_FIND, quoted(table))
    if row is None:
        return Twin(table, 0, "", "", "", "there is no such table; run the migrations")
    obstacle = "" if row["is_table"] else "it is no ordinary table"
    for name, why in _OBSTACLES.items():
        if row[name]:
            obstacle = obstacle or why
    home, name = quoted(row["home"]), quoted(row["name"])
    return Twin(table, row["oid"], f"{home}.{name}", f"{quoted(schema)}.{name}", home, obstacle)


async def make_twin(connection: Connection, twin: Twin) -> None:
    """Makes the empty table: columns, defaults, checks, identities and indexes as the old one has them. It has no grants."""
    await connection.execute(f"CREATE TABLE {twin.new} (LIKE {twin.old} INCLUDING ALL)")
    wanted = await connection.fetch(_INDEXES, twin.old)
    made = await connection.fetch(_INDEXES, twin.new)
    schema = twin.new.rpartition(".")[0]
    for number, row in enumerate(made):  # out of the way first: one's new name may be another's old name
        await connection.execute(f"ALTER INDEX {schema}.{quoted(row['name'])} RENAME TO atoll_index_{number}")
    for number, row in enumerate(wanted):
        await connection.execute(f"ALTER INDEX {schema}.atoll_index_{number} RENAME TO {quoted(row['name'])}")


def quoted(name: str) -> str:
    """The name as SQL writes it."""
    return '"' + name.replace('"', '""') + '"'
