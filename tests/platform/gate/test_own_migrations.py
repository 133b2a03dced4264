"""The shop's and the framework's own migrations pass, from each revision to the last."""

from __future__ import annotations

from pathlib import Path

import pytest

from atoll.contracts.compatibility import Documents
from atoll.data.described import statements_in
from atoll.data.revisions import read_revisions
from atoll.platform.gate import Contract, Migration, Statement
from atoll.platform.gate.migrations import migration_refusals, rollback_refusals

ROOT = Path(__file__).parents[3]
FOLDERS = [*sorted((ROOT / "shop").glob("*/src/*/migrations")), ROOT / "src/atoll/data/schema"]
SMALL = "require-concurrent-index-creation"  # of the shop's orders, which are few


def contracts(folder: Path) -> list[Contract]:
    """One that has no revision yet, one that has the first, and so on."""
    found = tuple(Migration(one.id, one.file, one.sql or "", one.contract) for one in read_revisions(folder).ordered())
    code = tuple(Statement(one["place"], one["sql"]) for one in statements_in(folder.parent, folder))
    return [Contract("own 0.1.0", "0.1.0", Documents("own"), found[:at], code) for at in range(len(found) + 1)]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.parent.name)
def test_own_migrations_pass(folder: Path) -> None:
    *earlier, last = contracts(folder)
    assert earlier
    for one in earlier:
        assert [line for line in migration_refusals(one, last) if SMALL not in line] == []
        assert rollback_refusals(last, one) == ()


def test_all_of_them_are_looked_at() -> None:
    assert len(FOLDERS) == 5
