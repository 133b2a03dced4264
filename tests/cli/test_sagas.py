"""``atoll sagas`` on a database that the environment names."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from uuid import UUID

import pytest

from atoll.contracts import Message, uuid7
from atoll.data import Database, Work
from atoll.sagas import Saga, SagaRunner, Sagas, saga

Atoll = Callable[..., subprocess.CompletedProcess[str]]


class Return(Message):
    order: str


async def place(work: Work, order: str) -> None:
    if order.startswith("bad"):
        raise ZeroDivisionError("no shelf")


async def nothing(work: Work) -> None:
    return


@saga(key="order", patience=0.1)
async def placing(start: Return, saga: Saga) -> None:
    await saga.step("prepare", nothing).undo(nothing)
    await saga.step("place", place, start.order)


@pytest.fixture
def atoll(database_url: str, tmp_path: Path) -> Atoll:
    def run(*arguments: str, url: str = database_url) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            (sys.executable, "-m", "atoll", "sagas", *arguments), cwd=tmp_path, capture_output=True, text=True,
            check=False, timeout=30, env={"PATH": "", "ATOLL_DATABASE_URL": url, "ATOLL_SERVICE": "orders"},
        )  # fmt: skip

    return run


async def drive(url: str, *orders: str) -> list[UUID]:
    """Runs the sagas of these orders until each is over or parked; new ones are started."""
    database = Database(url, service="orders")
    await database.start()
    runner = SagaRunner(database, [placing], service="orders")
    async with database.work() as work:
        ids = [(await Sagas(database).start(work, placing, Return(order))).id for order in orders]
    await runner.start()
    for saga_id in ids:
        while (await Sagas(database).show(saga_id)).saga.state in ("running", "compensating"):
            await asyncio.sleep(0.02)
    await runner.stop()
    await database.stop()
    return ids


def test_list_show_retry_skip_and_compensate(atoll: Atoll, database_url: str) -> None:
    good, skipped, undone = asyncio.run(drive(database_url, "good", "bad skipped", "bad undone"))
    lines = atoll("list").stdout.splitlines()
    assert lines[-1] == f"{good}  orders  placing  good  completed"
    stuck = json.loads(atoll("list", "--stuck", "--json").stdout)
    assert {one["key"] for one in stuck} == {"bad skipped", "bad undone"}
    shown = atoll("show", str(skipped)).stdout
    assert "placing bad skipped: parked: 'place' failed" in shown
    assert "step  place: trying" in shown
    assert json.loads(atoll("show", str(skipped), "--json").stdout)["saga"]["step"] == "place"
    assert atoll("skip", str(skipped)).stdout == f"{skipped} goes on after 'place'\n"
    assert atoll("retry", str(undone)).returncode == 0
    assert atoll("compensate", str(undone), "--why", "wrong shelf").returncode == 0
    asyncio.run(drive(database_url, "bad skipped", "bad undone"))
    lines = atoll("list").stdout.splitlines()
    assert lines[0] == f"{undone}  orders  placing  bad undone  compensated (wrong shelf)"
    assert lines[1] == f"{skipped}  orders  placing  bad skipped  completed"


def test_what_is_wrong_is_one_line(atoll: Atoll, database_url: str) -> None:
    unknown = str(uuid7())
    (good,) = asyncio.run(drive(database_url, "good"))
    for arguments, url, line in (
        (("show", unknown), database_url, f"there is no saga {unknown}; look with 'atoll sagas list'"),
        (("retry", str(good)), database_url, f"saga {good} is completed; there is nothing left to do"),
        (("list",), "nonsense", "the database of orders does not serve: "),
        (("list",), f"{database_url}x", "the database of orders does not serve: "),
    ):
        done = atoll(*arguments, url=url)
        assert (done.returncode, done.stdout) == (1, "")
        assert done.stderr.startswith(line), done.stderr
        assert done.stderr.count("\n") == 1


def test_without_a_system_it_says_so(atoll: Atoll) -> None:
    done = atoll("list", url="")
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
