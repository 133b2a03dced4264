from __future__ import annotations

import pytest

from atoll.contracts.compatibility import Documents
from atoll.platform.gate import Contract, Migration, Statement
from atoll.platform.gate.migrations import migration_refusals, users_of
from atoll.platform.gate.sqlglot import Effect, Use, effects_of, uses_of_statement

TABLES = """
CREATE TABLE orders (id int PRIMARY KEY, total int NOT NULL DEFAULT 0, reason text, note text, kind text);
CREATE TABLE prices (sku text)
"""
CODE = (
    Statement("shop/store.py:3", "INSERT INTO orders (id, total) VALUES ($1, $2)"),
    Statement("shop/store.py:9", "SELECT id, reason FROM orders WHERE total > $1"),
    Statement("shop/lists.py:4", "SELECT p.* FROM prices p"),
    Statement("shop/parts.py:1", "AND kind = $2 ORDER BY"),
)


def release(*more: Migration, version: str = "0.2.0", code: tuple[Statement, ...] = CODE) -> Contract:
    migrations = (Migration("0001", "0001_orders.py", TABLES), *more)
    return Contract(f"orders {version}", version, Documents("orders"), migrations, code)


OLD = release()


def lines(sql: str, contract: str = "", old: Contract = OLD) -> tuple[str, ...]:
    return migration_refusals(old, release(Migration("0002", "0002_more.py", sql, contract)))


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE orders DROP COLUMN reason", "drops orders.reason; would break orders 0.2.0, which runs: shop/store.py:9;"),
        ("ALTER TABLE orders RENAME COLUMN total TO amount", "renames orders.total to amount; would break orders 0.2.0"),
        ("ALTER TABLE orders RENAME total TO amount", "renames orders.total to amount; would break orders 0.2.0"),
        ("DROP TABLE prices", "drops the table prices; would break orders 0.2.0, which runs: shop/lists.py:4"),
        ("ALTER TABLE prices RENAME TO price", "renames the table prices to price; would break"),
        ("ALTER TABLE prices DROP sku", "drops prices.sku; would break orders 0.2.0, which runs: shop/lists.py:4"),
        ("ALTER TABLE orders ALTER COLUMN total TYPE text", "changes the type of orders.total to TEXT; would break"),
        ("ALTER TABLE orders ADD COLUMN due date NOT NULL", "adds orders.due NOT NULL without a default; would break"),
        ("ALTER TABLE orders ALTER reason SET NOT NULL", "makes orders.reason NOT NULL; would break orders 0.2.0"),
        ("ALTER TABLE orders DROP COLUMN note", "no use of it is found in the code of orders 0.2.0"),
        ("ALTER TABLE orders DROP COLUMN kind", "drops orders.kind; would break orders 0.2.0, which runs: shop/parts.py:1"),
        ("CREATE INDEX i ON orders (total)", "locks the table against writes while its index is built"),
        ("CREATE INDEX CONCURRENTLY i ON orders (total)", "cannot do that in a transaction"),
        ("ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0)", "locks the table while every row is looked at"),
        ("ALTER TABLE orders ADD UNIQUE (total)", "locks the table while its index is built"),
        ("ALTER TABLE orders ADD id2 uuid DEFAULT gen_random_uuid()", "locks the table while every row is written again"),
        ("REINDEX TABLE orders", "REINDEX CONCURRENTLY"),
        ("ALTER TABLE orders DROPP COLUMN x", "cannot be read"),
    ],
)  # fmt: skip
def test_what_would_break_or_hold_up_the_running_release_is_refused(sql: str, said: str) -> None:
    found = lines(sql)
    assert any(said in line for line in found), found
    assert all(line.startswith("migrations/0002_more.py ") and "orders 0.2.0" in line for line in found)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE returns (id int PRIMARY KEY, order_id int NOT NULL); CREATE INDEX r ON returns (order_id)",
        "ALTER TABLE orders ADD COLUMN due date",
        "ALTER TABLE orders ADD COLUMN tries int NOT NULL DEFAULT 0",
        "ALTER TABLE orders ADD CONSTRAINT c CHECK (total > 0) NOT VALID",
        "ALTER TABLE orders VALIDATE CONSTRAINT c",
        "-- squawk-ignore require-concurrent-index-creation\nCREATE INDEX i ON prices (sku)",
        "COMMIT; CREATE INDEX CONCURRENTLY i ON orders (total); BEGIN",
        "UPDATE orders SET note = '' WHERE note IS NULL",
        "CREATE TABLE t (id int, x int); ALTER TABLE t DROP COLUMN x",
        "",
    ],
)
def test_what_adds_passes(sql: str) -> None:
    assert lines(sql) == ()


def test_a_later_revision_may_do_what_it_likes_with_a_table_that_an_earlier_one_makes() -> None:
    new = release(
        Migration("0002", "2.py", "CREATE TABLE t (id int, x int)"),
        Migration("0003", "3.py", "CREATE INDEX i ON t (x); ALTER TABLE t DROP COLUMN x"),
    )
    assert migration_refusals(OLD, new) == ()


def test_a_declared_step_waits_for_the_release_that_stopped_using_it() -> None:
    drop = "ALTER TABLE orders DROP COLUMN reason"
    assert "it declares contract = '0.3.0': roll that release out first" in lines(drop, "0.3.0")[0]
    ready = release(version="0.3.0", code=CODE[:1])
    assert lines(drop, "0.3.0", ready) == ()
    assert lines(drop, "0.2.9", ready) == ()
    liar = lines(drop, "0.3.0", release(version="0.3.0"))
    assert "it declares that 0.3.0 stopped using it, but orders 0.3.0, which runs, does: shop/store.py:9" in liar[0]


def test_a_released_revision_does_not_change() -> None:
    new = Contract(
        "orders 0.3.0", "0.3.0", Documents("orders"), (Migration("0001", "0001_orders.py", "CREATE TABLE o (id int)"),)
    )
    assert migration_refusals(OLD, new) == (
        "migrations/0001_orders.py was released with orders 0.2.0 and says something else now; write another revision",
    )


def test_the_line_says_what_to_do() -> None:
    (line,) = lines("ALTER TABLE orders DROP COLUMN reason")
    assert line.endswith(
        "stop using it first; release that, and declare this as a later release's step: contract = '0.3.0'"
    )


def test_statements_are_understood() -> None:
    sql = "UPDATE payments p SET amount = $2 FROM refunds r WHERE r.payment_id = p.id RETURNING p.state"
    found = {use.table: use.columns for use in uses_of_statement(sql) or ()}
    assert {"amount", "id", "state"} <= found["payments"]
    assert "payment_id" not in found["payments"]
    assert uses_of_statement("AND x = $1") is None
    upsert = "INSERT INTO stock (sku, pieces) VALUES ($1, $2) ON CONFLICT (sku) DO UPDATE SET pieces = stock.pieces"
    (use,) = uses_of_statement(upsert) or [Use("", frozenset())]
    assert (use.inserts, use.columns >= {"sku", "pieces"}) == (frozenset({"sku", "pieces"}), True)


def test_an_insert_without_columns_uses_all() -> None:
    code = (Statement("x.py:1", "INSERT INTO orders VALUES ($1, $2, $3)"),)
    assert users_of(Effect("drop column", "orders", "note"), release(code=code)) == (["x.py:1"], [])


def test_effects_are_read_in_their_order() -> None:
    sql = "ALTER TABLE a DROP COLUMN b, ADD c int NOT NULL; DROP TABLE d, e; LOCK TABLE x; ALTER TABLE a ALTER f DROP DEFAULT"
    assert [(one.kind, one.table, one.column) for one in effects_of(sql)] == [
        ("drop column", "a", "b"), ("add required", "a", "c"), ("drop table", "d", ""), ("drop table", "e", ""),
        ("drop default", "a", "f"),
    ]  # fmt: skip
