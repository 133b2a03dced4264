"""``atoll contract`` refuses what would break a consumer or the release that runs, and names whom."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEM = """
from atoll.system import Nats, Postgres, Service, System

system = System(
    "demo",
    services=(
        Service("orders", serve="orders:service", source="orders", database=True, events=True),
        Service("payments", serve="payments:service", source="payments", events=True, database=True),
    ),
    postgres=Postgres(),
    broker=Nats(),
)
"""
ORDERS = """
from atoll.contracts import Event
from atoll.data import Work
from atoll.service import Service

REASONS = "SELECT reason FROM orders WHERE id = $1"
ADD = "INSERT INTO orders (id) VALUES ($1)"


class OrderCreated(Event, subject="order.created", version=1, key="order_id"):
    order_id: str
    total: int
    card: str = ""


service = Service("orders", publishes=[OrderCreated], migrations="orders:migrations", version="0.2.0")
"""
PAYMENTS = """
from atoll.contracts import Event
from atoll.service import Service, consumes


class OrderCreated(Event, subject="order.created", version=1, key="order_id"):
    order_id: str
    total: int


@consumes(OrderCreated)
async def charge(event: OrderCreated) -> None: ...


service = Service("payments", handlers=[charge])
"""
FIRST = """
from alembic import op

revision = "0001"
down_revision = None


def upgrade():
    op.execute("CREATE TABLE orders (id text PRIMARY KEY, reason text NOT NULL DEFAULT '')")
"""
NEXT = """
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade():
    op.execute("{sql}")
"""


@pytest.fixture
def demo(tmp_path: Path) -> Path:
    """A system in whose folder ``orders`` has committed what it promises."""
    (tmp_path / "system.py").write_text(SYSTEM)
    for name, text in (("orders", ORDERS), ("payments", PAYMENTS)):
        (tmp_path / name / "src" / name).mkdir(parents=True)
        (tmp_path / name / "src" / name / "__init__.py").write_text(text)
    migrations = tmp_path / "orders" / "src" / "orders" / "migrations"
    migrations.mkdir()
    (migrations / "0001_orders.py").write_text(FIRST)
    done = atoll(tmp_path, "contract", "snapshot", "orders")
    assert done.returncode == 0, done.stderr
    return tmp_path


def atoll(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "atoll", *arguments), cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def edit(demo: Path, old: str, new: str) -> None:
    file = demo / "orders" / "src" / "orders" / "__init__.py"
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def migrate(demo: Path, sql: str) -> None:
    (demo / "orders" / "src" / "orders" / "migrations" / "0002_next.py").write_text(NEXT.format(sql=sql))


def test_what_did_not_change_breaks_nobody(demo: Path) -> None:
    done = atoll(demo, "contract", "check", "orders")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    assert "breaks nobody" in done.stdout


def test_another_type_in_an_event_names_its_consumer(demo: Path) -> None:
    edit(demo, "total: int", "total: str")
    done = atoll(demo, "contract", "check", "orders")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        "orders: event order.created: total was integer and is string now in version 1; would break payments"
    )


def test_a_new_field_with_a_default_is_additive_and_shown(demo: Path) -> None:
    edit(demo, 'card: str = ""', 'card: str = ""\n    note: str = ""')
    assert atoll(demo, "contract", "check", "orders").returncode == 0
    shown = atoll(demo, "contract", "diff", "orders")
    assert "additive: event order.created" in shown.stdout
    assert "note" in shown.stdout


def test_an_event_that_is_gone_names_its_consumer(demo: Path) -> None:
    edit(demo, "publishes=[OrderCreated]", "publishes=[]")
    done = atoll(demo, "contract", "check", "orders", "--json")
    assert done.returncode == 1
    ((line,),) = [one["refusals"] for one in json.loads(done.stdout)["services"]]
    assert "order.created is not published any more; would break payments" in line


def test_a_column_that_is_in_use_is_not_dropped_and_the_place_is_named(demo: Path) -> None:
    migrate(demo, "ALTER TABLE orders DROP COLUMN reason")
    done = atoll(demo, "contract", "check", "orders")
    assert done.returncode == 1
    assert "drops orders.reason; would break orders 0.2.0" in done.stderr
    assert "orders/__init__.py:6" in done.stderr


def test_a_new_column_that_may_be_missing_passes_and_one_that_must_be_there_does_not(demo: Path) -> None:
    migrate(demo, "ALTER TABLE orders ADD COLUMN note text")
    assert atoll(demo, "contract", "check", "orders").returncode == 0
    migrate(demo, "ALTER TABLE orders ADD COLUMN note text NOT NULL")
    done = atoll(demo, "contract", "check", "orders")
    assert done.returncode == 1
    assert "adds orders.note NOT NULL without a default" in done.stderr


def test_without_anything_to_compare_with_it_says_what_to_do(demo: Path) -> None:
    done = atoll(demo, "contract", "check", "payments")
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert "'atoll contract snapshot payments'" in line


@pytest.mark.parametrize(
    ("folder", "why"),
    [("orders/src", "holds no openapi.json or asyncapi.json of orders"), ("other", "is of payments, not of orders")],
)
def test_a_folder_without_that_services_contract_lets_nothing_pass(demo: Path, folder: str, why: str) -> None:
    (demo / "other").mkdir()
    (demo / "other" / "openapi.json").write_text(
        '{"openapi": "3.1.0", "info": {"title": "payments", "version": "1"}, "paths": {}}'
    )
    done = atoll(demo, "contract", "check", "orders", "--against", folder)
    assert (done.returncode, done.stdout) == (2, "")
    (line,) = done.stderr.splitlines()
    assert why in line


def test_no_changes_are_said_to_be_none(demo: Path) -> None:
    assert "no changes" in atoll(demo, "contract", "diff", "orders").stdout


def test_a_snapshot_that_is_broken_is_one_line(demo: Path) -> None:
    (demo / "orders" / "contract" / "asyncapi.json").write_text("{")
    done = atoll(demo, "contract", "check", "orders")
    assert done.returncode != 0
    (line,) = done.stderr.splitlines()
    assert "asyncapi.json" in line
