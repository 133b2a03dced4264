"""An older release that comes back meets the tables as the newer one left them."""

from __future__ import annotations

import pytest
from tests.platform.gate.releases import CODE, release

from atoll.platform.gate import Contract, Migration, Statement, judge
from atoll.platform.gate.migrations import migration_refusals, rollback_refusals

OLDER = release(code=CODE)


def newer(sql: str) -> Contract:
    return release(Migration("0002", "0002_more.py", sql, "0.3.0"), version="0.4.0", code=CODE[:1])


@pytest.mark.parametrize(
    ("sql", "said"),
    [
        ("ALTER TABLE orders DROP COLUMN reason", "drops orders.reason; going back would break orders 0.2.0: shop/store.py:9;"),
        ("ALTER TABLE orders DROP COLUMN kind", "drops orders.kind; going back would break orders 0.2.0: shop/parts.py:1;"),
        ("DROP TABLE prices", "drops the table prices; going back would break orders 0.2.0: shop/lists.py:4;"),
        ("ALTER TABLE orders ADD COLUMN due date NOT NULL", "adds orders.due NOT NULL without a default; going back"),
        ("ALTER TABLE orders ADD CHECK (total > 0)", "gives orders a CHECK; going back would break"),
    ],
)  # fmt: skip
def test_what_the_older_release_would_miss_is_refused(sql: str, said: str) -> None:
    running = newer(sql)
    (line,) = rollback_refusals(running, OLDER)
    assert line.startswith("migrations/0002_more.py of orders 0.4.0, which runs, ")
    assert said in line
    assert line in judge(running, OLDER).refusals
    assert migration_refusals(running, OLDER) == ()


@pytest.mark.parametrize(
    "sql",
    [
        "ALTER TABLE orders ADD COLUMN due date",
        "ALTER TABLE orders DROP COLUMN note",
        "CREATE TABLE t (id int); ALTER TABLE t DROP COLUMN id",
        "ALTER TABLE archive.orders DROP COLUMN reason",
        "TRUNCATE prices",
        "-- atoll-looked-at: another table's\nALTER TABLE orders DROP COLUMN kind",
        "-- atoll-looked-at: it was never less\nALTER TABLE orders ADD CHECK (total >= 0)",
        "ALTER TABLE orders DROP CONSTRAINT orders_total_check",
    ],
)
def test_what_it_does_not_miss_lets_it_come_back(sql: str) -> None:
    assert judge(newer(sql), OLDER).refusals == ()


def test_a_release_that_has_the_same_migrations_misses_nothing() -> None:
    running = newer("ALTER TABLE orders DROP COLUMN reason")
    target = release(*running.migrations[1:], code=(Statement("x.py:1", "SELECT reason FROM orders"),))
    assert rollback_refusals(running, target) == ()
