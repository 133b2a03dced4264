"""What a statement of the code uses, however it is written."""

from __future__ import annotations

import pytest
from tests.platform.gate.releases import lines, uses

from atoll.platform.gate.migrations import users_of
from atoll.platform.gate.sqlglot import uses_of_statement
from atoll.platform.gate.sqltext import names_in, pieces_of, without_placeholders
from atoll.platform.gate.told import Effect

REASON = Effect("drop column", "orders", "reason")


@pytest.mark.parametrize(
    "sql",
    [
        "INSERT INTO orders (id,reason) VALUES ($1,$2)",
        "UPDATE orders SET total=$1,reason=$2",
        "SELECT id FROM orders WHERE reason=$1 LIMIT $2",
        "SELECT id FROM orders WHERE reason=%s AND id=%(id)s",
        "SELECT Reason FROM Orders",
        "SELECT id FROM ORDERS o JOIN prices USING (REASON)",
        "SELECT id FROM orders NATURAL JOIN prices",
        "SELECT o FROM orders o",
        "SELECT row_to_json(o) FROM orders AS o",
        "SELECT to_jsonb(orders) FROM orders",
        "SELECT (o).total FROM orders o",
        "TABLE orders",
        "SELECT id FROM public.orders WHERE reason = ''",
        "INSERT INTO orders (id) VALUES ($1) ON CONFLICT (reason) DO NOTHING",
        "INSERT INTO orders (id) VALUES ($1) ON CONFLICT (id) DO UPDATE SET total = length(excluded.reason)",
    ],
)
def test_a_use_is_sure(sql: str) -> None:
    assert users_of(REASON, uses(sql)) == (["x.py:1"], [])


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT id, reason",
        "reason = $1, WHERE",
        "COPY orders TO STDOUT",
        "FROM orders WHERE id = * RETURNING *",
        "UPDATE * SET REASON=$1",
    ],
)
def test_a_use_may_be(sql: str) -> None:
    sure, maybe = users_of(REASON, uses(sql))
    assert sure or maybe == ["x.py:1"]


@pytest.mark.parametrize(
    "sql",
    [
        'SELECT "Reason" FROM orders',
        'SELECT reason FROM "Orders"',
        "SELECT id FROM orders WHERE note = 'reason$1'",
        "SELECT reason FROM archive.orders",
        "SELECT o.id, p.reason FROM orders o, prices p",
    ],
)
def test_it_is_another_thing(sql: str) -> None:
    assert users_of(REASON, uses(sql)) == ([], [])


def test_folded_names_are_refused_whoever_writes_them_big() -> None:
    code = uses("SELECT reason FROM orders")
    assert "drops orders.reason; would break" in lines("ALTER TABLE ORDERS DROP COLUMN REASON", old=code)[0]
    assert "no use of it is found" in lines('ALTER TABLE orders DROP "Reason"', old=code)[0]


def test_a_table_of_a_schema_that_no_migration_made_at_home_may_be_the_one() -> None:
    code = uses("SELECT x FROM letters")
    assert "would break" in lines("ALTER TABLE post.letters DROP COLUMN x", old=code)[0]
    assert "no use" in lines("ALTER TABLE post.orders DROP COLUMN id", old=uses("SELECT id FROM orders"))[0]


def test_an_insert_that_is_not_understood_may_miss_the_column() -> None:
    effect = Effect("add required", "orders", "due")
    assert users_of(effect, uses("INSERT INTO orders (id) * VALUES (")) == ([], ["x.py:1"])


def test_placeholders_in_texts_stay() -> None:
    assert without_placeholders("SELECT '$1', $$ $2 $$, \"$3\", $4 -- $5").split() == [
        "SELECT", "'$1',", "$$", "$2", "$$,", '"$3",', "'0'", "--", "$5"
    ]  # fmt: skip
    assert uses_of_statement("UPDATE t SET a=$1,b=$2") is not None


def test_statements_are_parted_where_postgresql_parts_them() -> None:
    sql = "SELECT ';', E'\\';', \";\" /* ; /* ; */ ; */; DO $x$ ; $$ ; $x$;\n-- ;\nSELECT 1;;"
    assert [(one.tokens[0].text, one.line) for one in pieces_of(sql)] == [("SELECT", 1), ("DO", 1), ("SELECT", 3)]


def test_names_are_not_those_of_literals_and_comments() -> None:
    assert names_in("SELECT A, \"B\" FROM c -- d\n WHERE 'e'") == {"select", "a", "B", "from", "c", "where"}
