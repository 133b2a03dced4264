from __future__ import annotations

from pathlib import Path

import pytest
from tests.platform.gate.releases import CODE, OLD, lines, release

from atoll.contracts.compatibility import Documents
from atoll.platform.gate import Contract, Migration, Statement
from atoll.platform.gate.effects import effects_of
from atoll.platform.gate.migrations import migration_refusals, users_of
from atoll.platform.gate.sqlglot import Use, uses_of_statement
from atoll.platform.gate.told import Effect


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


def test_a_mistake_is_told_with_its_place_and_without_advice_to_ignore_it() -> None:
    found = lines("SELECT 1;\nALTER TABLE orders DROPP COLUMN x")
    assert len(found) == 1
    assert found[0].startswith("migrations/0002_more.py cannot be read at line 2 of its SQL: expected ")
    assert found[0].endswith("; mend the statement")
    assert "ignore" not in found[0]
    assert "looked-at" not in found[0]


def test_a_mistake_is_told_of_the_file_that_has_it() -> None:
    new = release(Migration("0002", "2.py", "SELECT 1 -- one"), Migration("0003", "3.py", "-- three\n\nSELEC 1"))
    (line,) = migration_refusals(OLD, new)
    assert line.startswith("migrations/3.py cannot be read at line 3 of its SQL")


@pytest.mark.parametrize("sql", ["ALTER TABLE orders ADD CONSTRAINT", "DROP INDEX", "ALTER TABLE orders ADD;"])
def test_what_is_missing_at_the_end_is_told_of_the_last_line(sql: str) -> None:
    (line,) = lines(f"SELECT 1;\n{sql}\n\n")
    assert "cannot be read at line 2 of its SQL: expected" in line


def test_a_required_column_is_not_advised_to_be_a_contract_step() -> None:
    (line,) = lines("ALTER TABLE orders ADD COLUMN due date NOT NULL")
    assert line.endswith("; give it a default, or make it nullable first and fill it")


def test_what_declares_a_step_but_may_be_used_waits_until_somebody_has_looked() -> None:
    ready = release(version="0.3.0", code=(Statement("x.py:1", "AND kind = $2 ORDER BY"),))
    (line,) = lines("ALTER TABLE orders DROP COLUMN kind", "0.3.0", ready)
    assert "it declares that 0.3.0 stopped using it, but orders 0.3.0, which runs, may: x.py:1; if it does not" in line
    marked = "-- atoll-looked-at that kind is of another table\nALTER TABLE orders DROP COLUMN kind"
    assert lines(marked, "0.3.0", ready) == ()


def test_the_mark_lifts_no_use_that_is_sure() -> None:
    assert lines("-- atoll-looked-at because I can\nALTER TABLE orders DROP COLUMN reason")


def test_a_comment_cannot_switch_the_look_at_locks_off() -> None:
    found = lines("-- squawk-ignore-file\nCREATE INDEX i ON orders (total)")
    assert any("says squawk-ignore-file, which is not heeded" in line for line in found)
    assert any("locks the table against writes" in line for line in found)


def test_a_configuration_of_squawk_that_lies_about_is_not_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / ".squawk.toml").write_text('excluded_rules = ["require-concurrent-index-creation"]', "utf-8")
    monkeypatch.chdir(tmp_path)
    assert "locks the table against writes" in lines("CREATE INDEX i ON orders (total)")[0]
