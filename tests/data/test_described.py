from __future__ import annotations

from pathlib import Path

import pytest

from atoll.data import described
from atoll.data.described import describe_database, statements_in
from atoll.data.migrations import MigrationError
from atoll.service import Service

REVISION = """
from alembic import op
revision = "{id}"
down_revision = {down!r}
{more}
def upgrade() -> None:
    {body}
"""
CODE = '''
"""SELECT nothing: a docstring is no statement."""
COLUMNS = "id, " + "total"
READ = f"SELECT {COLUMNS} FROM orders"
HEAD = "SELECT " + COLUMNS

def write(names, where):
    run("UPDATE orders SET total = $1 " + where)
    run(f"SELECT {names} FROM orders")
    return "nothing of that kind"
'''


def revision(folder: Path, number: str, down: str | None, body: str, more: str = "") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{number}.py").write_text(REVISION.format(id=number, down=down, body=body, more=more))


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    package = tmp_path / "described_shop"
    package.mkdir()
    (package / "__init__.py").write_text("")
    monkeypatch.setattr(described, "locate", lambda target: package / "migrations")
    return package


SERVICE = Service("orders", migrations="described_shop:migrations", version="0.2.0")


def test_migrations_are_rendered_in_their_order_with_what_they_declare(package: Path) -> None:
    revision(package / "migrations", "b", "a", "op.drop_column('orders', 'total')", more="contract = '0.2.0'")
    revision(package / "migrations", "a", None, "op.execute('CREATE TABLE orders (id int, total int)')")
    found = describe_database(SERVICE)["migrations"]
    assert [(one["revision"], one["sql"].strip(), one["contract"]) for one in found] == [
        ("a", "CREATE TABLE orders (id int, total int)", ""),
        ("b", "ALTER TABLE orders DROP COLUMN total;", "0.2.0"),
    ]


def test_an_index_that_is_built_beside_writes_is_rendered_outside_of_the_transaction(package: Path) -> None:
    create = "op.create_index('i', 'orders', ['id'], postgresql_concurrently=True)"
    body = f"with op.get_context().autocommit_block():\n        {create}"
    revision(package / "migrations", "a", None, body)
    sql = describe_database(SERVICE)["migrations"][0]["sql"]
    assert [line for line in sql.splitlines() if line] == [
        "COMMIT;",
        "CREATE INDEX CONCURRENTLY i ON orders (id);",
        "BEGIN;",
    ]


def test_a_revision_that_asks_the_database_is_named(package: Path) -> None:
    revision(package / "migrations", "a", None, "op.get_bind().execute('SELECT 1').fetchall()")
    with pytest.raises(MigrationError, match=r"migrations/a\.py cannot be written as SQL without a database"):
        describe_database(SERVICE)


def test_statements_are_found_in_the_code_with_the_line_that_has_them(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "code.py").write_text(CODE)
    assert [(one["place"], one["sql"]) for one in statements_in(tmp_path / "shop")] == [
        ("shop/code.py:4", "SELECT id, total FROM orders"),
        ("shop/code.py:5", "SELECT id, total"),
        ("shop/code.py:8", "UPDATE orders SET total = $1 *"),
        ("shop/code.py:9", "SELECT * FROM orders"),
    ]
