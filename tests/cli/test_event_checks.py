"""``atoll check`` and ``atoll events list`` ask the services' own code for their events."""

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
        Service("payments", serve="payments:service", source="payments", database=True, events=True),
        {more}
    ),
    postgres=Postgres(),
    broker=Nats(),
)
"""
SERVICE = """
from atoll.contracts import Event
from atoll.service import Service, consumes

{events}

{handlers}

service = Service({name!r}, handlers=[{handles}], publishes=[{publishes}], migrations={name!r})
"""
CREATED = """
class OrderCreated(Event, subject="order.created", version={version}):
    order_id: str
    {more}
"""
HANDLER = """
@consumes({event})
async def handle(event: {event}) -> None: ...
"""


def write(folder: Path, *, publishes: str, consumes: str, more: str = "") -> None:
    """A system whose ``orders`` publishes the first class and whose ``payments`` consumes the other."""
    (folder / "system.py").write_text(SYSTEM.format(more=more))
    for name, events in (("orders", publishes), ("payments", consumes)):
        event = events.split("class ")[1].split("(")[0]
        handlers, handles = (HANDLER.format(event=event), "handle") if name == "payments" else ("", "")
        text = SERVICE.format(
            name=name, events=events, handlers=handlers, handles=handles, publishes="" if handles else event
        )
        (folder / name).mkdir()
        (folder / name / f"{name}.py").write_text(text)


def atoll(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "atoll", *arguments), cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


def created(version: int = 1, more: str = "") -> str:
    return CREATED.format(version=version, more=more)


def test_what_fits_together_is_fine_and_listed(tmp_path: Path) -> None:
    write(tmp_path, publishes=created(2, "total: int = 0"), consumes=created(2))
    done = atoll(tmp_path, "check")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    lines = atoll(tmp_path, "events", "list").stdout.splitlines()
    assert [line.split() for line in lines] == [
        ["SUBJECT", "KEY", "PUBLISHED", "BY", "CONSUMED", "BY"],
        ["order.created", "order_id", "orders", "v2", "payments", "v2"],
    ]
    (listed,) = json.loads(atoll(tmp_path, "events", "list", "--json").stdout)["events"]
    assert listed["publishers"] == [{"service": "orders", "version": 2, "key": "order_id"}]


@pytest.mark.parametrize(
    ("publishes", "consumes", "said"),
    [
        (
            created(),
            created().replace("order.created", "order.made"),
            "Service 'payments' consumes 'order.made', which nobody in the system publishes; correct the subject, or give ",
        ),
        (
            created(more="total: int = 0"),
            created(more="total: str = ''"),
            "Service 'payments' knows 'order.created' as version 1 in another shape than 'orders' publishes it (total differs)",
        ),
        (
            created(),
            created(more="card: str"),
            "(card is required and never written); let both use one contract",
        ),
        (
            created(2, "amount: int"),
            created(1, "total: int"),
            "Service 'payments' knows 'order.created' as version 1 and cannot read version 2, which 'orders' publishes",
        ),
    ],
)
def test_what_does_not_fit_is_a_line_with_its_place(tmp_path: Path, publishes: str, consumes: str, said: str) -> None:
    write(tmp_path, publishes=publishes, consumes=consumes)
    done = atoll(tmp_path, "check")
    assert (done.returncode, done.stdout) == (1, ""), done.stderr
    finding = done.stderr.splitlines()[0]
    assert finding.startswith("system.py:8: ")
    assert said in finding


def test_a_foreign_service_declares_what_it_publishes(tmp_path: Path) -> None:
    foreign = (
        "Service('scanner', command=('true',), events=True, publishes=('order.made',), consumes=('order.created',)),"
    )
    write(tmp_path, publishes=created(), consumes=created().replace("order.created", "order.made"), more=foreign)
    done = atoll(tmp_path, "check")
    assert (done.returncode, done.stderr) == (0, ""), done.stderr


def test_two_that_publish_one_subject_have_one_shape(tmp_path: Path) -> None:
    more = "Service('shop', serve='shop:service', source='shop', database=True, events=True),"
    write(tmp_path, publishes=created(), consumes=created(), more=more)
    (tmp_path / "shop").mkdir()
    events = created(more="total: int = 0")
    text = SERVICE.format(name="shop", events=events, handlers="", handles="", publishes="OrderCreated")
    (tmp_path / "shop" / "shop.py").write_text(text)
    done = atoll(tmp_path, "check")
    assert done.returncode == 1
    assert "publish 'order.created' version 1 in two shapes (they differ in total)" in done.stderr


def test_what_may_be_meant_so_is_a_note(tmp_path: Path) -> None:
    write(tmp_path, publishes=created(2, "total: int = 0"), consumes=created(1))
    done = atoll(tmp_path, "check", "--json")
    (note,) = json.loads(done.stdout)["notes"]
    assert (done.returncode, note["text"].endswith("it can read it, without what is new")) == (0, True), note
    (tmp_path / "payments" / "payments.py").write_text("import nowhere\n")
    done = atoll(tmp_path, "check")
    assert done.returncode == 0
    assert "note: Service 'payments' could not be asked for its events: " in done.stderr


def test_an_event_without_a_consumer_is_a_note(tmp_path: Path) -> None:
    write(tmp_path, publishes=created(), consumes=created())
    text = (tmp_path / "payments" / "payments.py").read_text().replace("handlers=[handle]", "handlers=[]")
    (tmp_path / "payments" / "payments.py").write_text(text)
    done = atoll(tmp_path, "check")
    assert done.returncode == 0
    assert done.stderr == "system.py:7: note: Service 'orders' publishes 'order.created', which nobody consumes\n"
