"""Of several dashboards on one store one fetches, and the next one when that is gone."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import AsyncGenerator
from pathlib import Path

import anyio
import pytest

from atoll.cli.dashboard.passing import _stream
from atoll.cli.dashboard.turn import Turn
from atoll.cli.dashboard.verb import serve
from atoll.operate import PassingEvent
from atoll.system.trouble import Trouble


def test_one_has_the_turn_until_it_gives_it_up(tmp_path: Path) -> None:
    one, other = Turn(tmp_path / "turn"), Turn(tmp_path / "turn")
    assert one.taken()
    assert one.taken()
    assert not other.taken()
    one.give_up()
    assert other.taken()
    assert not one.taken()
    other.give_up()


def test_a_process_that_ends_leaves_the_turn_to_the_next(tmp_path: Path) -> None:
    code = "import sys, pathlib; from atoll.cli.dashboard.turn import Turn; sys.exit(not Turn(pathlib.Path(sys.argv[1])).taken())"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "turn")], check=True)
    turn = Turn(tmp_path / "turn")
    assert turn.taken()
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "turn")], check=False).returncode == 1
    turn.give_up()


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "system.py"
    (tmp_path / ".atoll" / "telemetry.db").mkdir(parents=True)
    with pytest.raises(Trouble, match=r"telemetry\.db cannot be opened: .*; remove it, or make room"):
        serve(file, "127.0.0.1", 0, 0, 2**23)


@pytest.mark.parametrize("taken", [1, 2])
async def test_a_tab_that_is_closed_leaves_no_connection_behind(taken: int) -> None:
    closed = asyncio.Event()

    async def events() -> AsyncGenerator[PassingEvent, None]:
        try:
            yield PassingEvent("order.created", 1, 1, "1", "/shop/orders", "a", 1, None, {})
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)  # a goodbye over the network
            await asyncio.sleep(0)
            closed.set()

    source = events()
    stream = _stream(asyncio.ensure_future(anext(source)), source)

    async def read() -> None:
        with anyio.CancelScope() as gone:
            async for _ in stream:
                nonlocal taken
                taken -= 1
                if not taken:
                    asyncio.get_running_loop().call_later(0.05, gone.cancel)
        await stream.aclose()

    await read()
    async with asyncio.timeout(5):
        await closed.wait()
