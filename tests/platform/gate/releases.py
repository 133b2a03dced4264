"""Two releases of a made-up service, for what the gate says of a migration between them."""

from __future__ import annotations

from atoll.contracts.compatibility import Documents
from atoll.platform.gate import Contract, Migration, Statement
from atoll.platform.gate.migrations import migration_refusals

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


def uses(*statements: str) -> Contract:
    """The old release with these statements, at x.py:1 and so on."""
    return release(code=tuple(Statement(f"x.py:{at}", sql) for at, sql in enumerate(statements, 1)))
