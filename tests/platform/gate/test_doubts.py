"""Statements that no list says are safe are refused in one line, until somebody has looked."""

from __future__ import annotations

import pytest
from tests.platform.gate.releases import OLD, lines, release, uses

from atoll.platform.gate import Migration
from atoll.platform.gate.migrations import migration_refusals

UPSERT = uses("INSERT INTO orders (id) VALUES ($1) ON CONFLICT (id) DO NOTHING", "SELECT kind::mood FROM orders")


@pytest.mark.parametrize(
    "sql",
    [
        "DO $$ BEGIN PERFORM 1; END $$",
        "DO $$ BEGIN EXECUTE 'ALTER TABLE orders DROP COLUMN reason'; END $$",
        "CALL tidy()",
        "DROP OWNED BY somebody",
        "DROP EXTENSION pgcrypto",
        "REVOKE SELECT ON orders FROM PUBLIC",
        "LOCK TABLE orders",
        "VACUUM FULL orders",
        "CLUSTER orders USING i",
        "ALTER TABLE orders SET UNLOGGED",
        "ALTER TABLE orders ENABLE ROW LEVEL SECURITY",
        "ALTER TABLE orders ADD COLUMN n serial",
        "ALTER TABLE orders ADD COLUMN d date, REPLICA IDENTITY FULL",
        "REFRESH MATERIALIZED VIEW totals",
        "CREATE OR REPLACE VIEW v AS SELECT 1",
        "CREATE TRIGGER g BEFORE INSERT ON orders FOR EACH ROW EXECUTE FUNCTION f()",
        "DROP TRIGGER g ON orders",
        "SET search_path = other",
        "ALTER ROLE somebody NOLOGIN",
    ],
)
def test_what_is_not_known_to_be_safe(sql: str) -> None:
    found = [line for line in lines(sql) if "line 1 of its SQL" in line]
    assert len(found) == 1
    assert "nobody can tell whether it would break or hold up orders 0.2.0, which runs" in found[0]
    assert "contract = '0.3.0'; or look at it, and put '-- atoll-looked-at WHY' above it" in found[0]
    marked = lines(f"SELECT 1;\n-- atoll-looked-at: nobody is awake\n{sql}")
    assert not any("nobody can tell" in line for line in marked)
    assert any("nobody can tell" in line for line in lines(f"-- atoll-looked-at\n{sql}"))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("DO $$ BEGIN ALTER TABLE orders DROP COLUMN id; END $$", "drops orders.id; would break"),
        ("ALTER TABLE orders SET SCHEMA archive", "moves the table orders to the schema archive; would break"),
        ("ALTER VIEW orders RENAME TO o", "renames the table orders to o; would break"),
        ("ALTER VIEW orders RENAME COLUMN id TO o", "renames orders.id to o; would break"),
        ("ALTER SCHEMA public RENAME TO p", "renames the schema public to p; would break"),
        ("DROP SCHEMA public CASCADE", "drops the schema public; would break"),
        ("ALTER TYPE mood RENAME VALUE 'a' TO 'b'", "changes names of the type mood; would break"),
        ("ALTER TYPE mood RENAME TO kinds", "the type mood; would break"),
        ("ALTER SEQUENCE mood SET SCHEMA s", "the sequence mood; would break"),
        ("DROP TYPE mood", "drops the type mood; would break"),
        ("DROP DOMAIN IF EXISTS mood", "drops the domain mood; would break"),
        ("DROP SEQUENCE numbers", "drops the sequence numbers; no use of it is found"),
        ("ALTER FOREIGN TABLE orders DROP COLUMN kind", "drops orders.kind; would break"),
        ("DROP MATERIALIZED VIEW orders", "drops the table orders; would break"),
        ("TRUNCATE TABLE prices, ONLY orders", "empties the table orders; would break"),
        ("ALTER TABLE orders DROP CONSTRAINT orders_pkey", "drops the constraint orders_pkey of orders; would break"),
        ("ALTER TABLE orders RENAME CONSTRAINT orders_pkey TO k", "renames the constraint orders_pkey"),
        ("DROP INDEX CONCURRENTLY one", "drops the index one, which may be unique; would break"),
        ("ALTER TABLE orders ADD CHECK (total > 0) NOT VALID", "gives orders a CHECK; would break"),
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID", "gives orders a CHECK; would break"),
        ("CREATE UNIQUE INDEX CONCURRENTLY i ON orders (total)", "gives orders a unique index; would break"),
        ("ALTER TABLE orders ADD c int DEFAULT 1 UNIQUE", "gives orders UNIQUE of c; would break"),
        ("ALTER TABLE orders ADD c int CHECK (c IS NOT NULL)", "gives orders a CHECK of c; would break"),
        ("ALTER TABLE orders ADD c int NOT NULL DEFAULT (NULL)", "adds orders.c NOT NULL without a default"),
        ("ALTER TABLE orders ADD c int NOT NULL REFERENCES prices ON DELETE SET DEFAULT", "adds orders.c NOT NULL"),
        ("ALTER TABLE orders ALTER total SET DEFAULT NULL", "takes the default of orders.total away; would break"),
        ("ALTER TABLE orders ADD CONSTRAINT c NOT NULL kind", "makes orders.kind NOT NULL; would break"),
        ("DROP TABLE prices CASCADE", "takes what it does not name with it (CASCADE)"),
        ("ALTER TABLE orders DROP note CASCADE", "takes what it does not name with it (CASCADE)"),
    ],
)  # fmt: skip
def test_what_takes_away_by_other_words(sql: str, said: str) -> None:
    found = lines(sql, old=UPSERT)
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE SCHEMA IF NOT EXISTS s; CREATE TYPE s.k AS ENUM ('a'); CREATE DOMAIN d AS int; CREATE SEQUENCE q",
        "CREATE EXTENSION IF NOT EXISTS pgcrypto; CREATE MATERIALIZED VIEW m AS SELECT 1",
        "CREATE FUNCTION f() RETURNS int LANGUAGE sql AS $$ SELECT 1; $$; CREATE VIEW v AS SELECT id FROM orders",
        "GRANT SELECT ON orders TO PUBLIC; COMMENT ON TABLE orders IS 'all; of them'; ANALYZE orders",
        "INSERT INTO prices VALUES ('a'); UPDATE orders SET note = ''; DELETE FROM orders WHERE id = 0; SELECT 1",
        "WITH gone AS (DELETE FROM prices RETURNING sku) SELECT * FROM gone",
        "SET LOCAL lock_timeout = '2s'; SET statement_timeout = 0; RESET lock_timeout",
        "ALTER TYPE mood ADD VALUE 'b'",
        "REFRESH MATERIALIZED VIEW CONCURRENTLY m",
        "ALTER TABLE orders ADD CONSTRAINT f FOREIGN KEY (kind) REFERENCES prices (sku) NOT VALID",
        "ALTER TABLE orders ADD c int CHECK (c > 0 AND c IN (1, 2)), ADD d text NOT NULL DEFAULT 'x', ADD e uuid UNIQUE",
        "ALTER TABLE orders ALTER note DROP NOT NULL, ALTER note SET DEFAULT '', ALTER note SET STATISTICS 10",
        "ALTER TABLE orders SET (fillfactor = 70), DROP CONSTRAINT orders_total_check, DROP CONSTRAINT orders_kind_fkey",
        "TRUNCATE nobodys",
        "ALTER TABLE nobodys ADD CHECK (total > 0) NOT VALID",
    ],
)
def test_what_is_known_to_be_safe(sql: str) -> None:
    assert [line for line in lines(sql) if "squawk-ignore" not in line] == []


def test_who_declares_the_step_of_a_release_that_runs_may_do_what_is_not_understood() -> None:
    do = "DO $$ BEGIN PERFORM 1; END $$"
    assert lines(do, "0.2.0") == ()
    assert "it declares contract = '0.3.0': roll that release out first" in lines(do, "0.3.0")[0]


def test_an_index_or_constraint_that_migrations_made_is_known() -> None:
    made = "CREATE INDEX plain ON orders (kind); CREATE UNIQUE INDEX one ON orders (note)"
    named = "ALTER TABLE orders ADD CONSTRAINT sums CHECK (total > 0), ADD CONSTRAINT odd_check UNIQUE (kind)"
    old = release(Migration("0001b", "1b.py", f"{made};{named}"), code=UPSERT.statements)

    def said(sql: str) -> list[str]:
        new = release(Migration("0001b", "1b.py", f"{made};{named}"), Migration("0002", "2.py", sql))
        return [line for line in migration_refusals(old, new) if "drops the" in line]

    assert said("DROP INDEX CONCURRENTLY plain") == []
    assert said("ALTER TABLE orders DROP CONSTRAINT sums") == []
    assert len(said("DROP INDEX CONCURRENTLY one")) == 1
    assert len(said("ALTER TABLE orders DROP CONSTRAINT odd_check")) == 1


def test_what_only_may_do_harm_is_lifted_by_the_mark() -> None:
    check = "ALTER TABLE orders ADD CHECK (total >= 0) NOT VALID"
    assert "if it does no harm, put '-- atoll-looked-at WHY' above the statement" in lines(check)[0]
    assert lines(f"-- atoll-looked-at: no total was ever less\n{check}", old=OLD) == ()


def test_who_declares_that_rows_meet_it_since_a_release_that_runs_may_require_it() -> None:
    assert lines("ALTER TABLE orders ADD CHECK (total >= 0) NOT VALID", "0.2.0") == ()
    assert "but orders 0.2.0, which runs, does" in lines("TRUNCATE orders", "0.2.0")[0]
