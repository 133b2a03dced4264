"""A table that the waiting migrations make is theirs; one that is only named while another is made is not."""

from __future__ import annotations

import pytest
from tests.platform.gate.releases import OLD, lines, release

from atoll.platform.gate import Migration
from atoll.platform.gate.effects import effects_of
from atoll.platform.gate.migrations import migration_refusals

DROP = "ALTER TABLE orders DROP COLUMN reason"


@pytest.mark.parametrize(
    "create",
    [
        "CREATE TABLE other (id int REFERENCES orders)",
        "CREATE TABLE other (LIKE orders)",
        "CREATE TABLE other AS SELECT id FROM orders",
        "CREATE TABLE IF NOT EXISTS orders (id int)",
        "CREATE TABLE orders (id int)",
        "CREATE TEMP TABLE orders (id int)",
        "CREATE GLOBAL TEMPORARY TABLE orders (id int)",
        "CREATE TABLE archive.orders (id int)",
        'CREATE TABLE "Orders" (id int)',
        "SELECT 1 -- CREATE TABLE orders (id int)",
        "/* CREATE TABLE orders (id int); */ SELECT 'CREATE TABLE orders (id int);'",
        "CREATE VIEW IF NOT EXISTS orders AS SELECT 1",
    ],
)
def test_a_drop_is_refused_though_a_table_is_made_before_it(create: str) -> None:
    assert any("drops orders.reason" in line for line in lines(f"{create}\n;{DROP}"))
    new = release(Migration("0002", "2.py", create), Migration("0003", "3.py", DROP))
    assert any("migrations/3.py drops orders.reason" in line for line in migration_refusals(OLD, new))


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE t (id int, x int); ALTER TABLE T DROP COLUMN x",
        "CREATE TABLE public.t (id int, x int); ALTER TABLE t DROP COLUMN x CASCADE; TRUNCATE t; DROP TABLE t",
        "CREATE TABLE a.t (id int); ALTER TABLE a.t RENAME TO u; ALTER TABLE a.u DROP COLUMN id",
        "CREATE UNLOGGED TABLE t (id int); ALTER TABLE t SET LOGGED, ADD CHECK (id > 0)",
        "CREATE TYPE k AS ENUM ('a'); ALTER TYPE k RENAME VALUE 'a' TO 'b'; DROP TYPE k",
        "CREATE TABLE t (id int); CREATE UNIQUE INDEX i ON t (id)",
        "CREATE TABLE t (id int); CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW EXECUTE FUNCTION f()",
    ],
)
def test_what_is_made_may_be_changed(sql: str) -> None:
    assert lines(sql) == ()


def test_a_type_that_is_named_like_a_new_table_is_another_thing() -> None:
    (effect,) = effects_of("CREATE TABLE f (id int); DROP FUNCTION f")
    assert effect.kind == "drop object"


def test_only_what_comes_after_it_is_the_makers() -> None:
    assert effects_of("ALTER TABLE t DROP COLUMN x; CREATE TABLE t (id int)")


def test_an_index_of_a_new_table_is_new() -> None:
    assert effects_of("CREATE TABLE a.t (id int); CREATE UNIQUE INDEX i ON a.t (id); DROP INDEX a.i") == []
