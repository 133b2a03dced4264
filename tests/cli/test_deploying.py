"""`atoll deploy` against a supervisor that refuses, or goes away: what is printed, and the exit code."""

from __future__ import annotations

import asyncio
import contextlib
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from atoll.platform.local.api import Api
from atoll.platform.local.folder import Folder, State
from atoll.platform.local.ports import Ports
from atoll.platform.local.registry import Registry
from atoll.platform.local.server import JsonServer
from atoll.platform.rollout import Plan, Rollout
from atoll.system import Trouble

SYSTEM = """
from atoll.system import Service, System
system = System("small", services=(Service("web", command=("true",)),))
"""
GONE = "the supervisor is gone; 'atoll up' goes on with the rollout; 'atoll rollouts web' tells how it ended\n"
BEGUN = Rollout(7, "web", "dev", "19abcdef0123", Plan("canary"), 1.0)


@dataclass
class Desk:
    """The rollouts of a supervisor that goes away (as far as its callers can tell) when it is asked how one goes on."""

    begin: Callable[..., Awaitable[Rollout]]

    def latest(self) -> dict[str, Rollout]:
        return {}

    def find(self, _service: str, _name: str = "") -> Rollout:
        return BEGUN

    async def after(self, _service: str, _revision: int, _seconds: float) -> Rollout:
        raise ConnectionResetError


@contextlib.asynccontextmanager
async def supervised(folder: Path, desk: Desk) -> AsyncIterator[None]:
    """A supervisor that has nothing but its API."""
    (folder / "system.py").write_text(SYSTEM, "utf-8")
    home = Folder.beside(folder / "system.py")
    home.create()
    port = Ports({}).take("supervisor")
    home.write_state(State(control=f"http://127.0.0.1:{port}"))
    controls = cast(Any, SimpleNamespace(rollouts=desk))
    api = Api(Registry(["web"], lambda: None), cast(Any, None), controls, {}, home.secret("control"))
    server = JsonServer(api.answer)
    await server.start(port)
    try:
        with home.locked():
            yield
    finally:
        await server.stop()


async def deploy(folder: Path, *arguments: str) -> tuple[int | None, str, str]:
    """(exit code, standard output, standard error)."""
    argv = (sys.executable, "-m", "atoll", "deploy", "web", "dev", *arguments)
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(*argv, cwd=folder, stdout=pipe, stderr=pipe)
    output, errors = await process.communicate()
    return process.returncode, output.decode(), errors.decode()


async def test_all_reasons_of_a_refusal_are_printed(tmp_path: Path) -> None:
    async def begin(*_: object) -> Rollout:
        raise Trouble("web: dev is refused: it loses total", ("it loses name", "its migration drops a column"))

    async with supervised(tmp_path, Desk(begin)):
        code, output, errors = await deploy(tmp_path)
    assert (code, output) == (2, "")
    assert errors == "web: dev is refused: it loses total\n  it loses name\n  its migration drops a column\n"


@pytest.mark.parametrize("arguments", [(), ("--json",)])
async def test_a_supervisor_that_goes_away_while_it_is_watched_is_no_rollback(
    tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    async def begin(*_: object) -> Rollout:
        return BEGUN

    async with supervised(tmp_path, Desk(begin)):
        assert await deploy(tmp_path, *arguments) == (3, "", GONE)


async def test_a_supervisor_that_goes_away_while_it_begins_may_have_begun(tmp_path: Path) -> None:
    async def begin(*_: object) -> Rollout:
        raise ConnectionResetError

    async with supervised(tmp_path, Desk(begin)):
        assert await deploy(tmp_path) == (3, "", GONE)


async def test_a_rollout_that_nobody_can_tell_of_any_more_is_no_rollback(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def begin(*_: object) -> Rollout:
        return BEGUN

    async def forgotten(*_: object) -> Rollout:
        raise Trouble("web had no rollout")

    monkeypatch.setattr(Desk, "after", forgotten)
    async with supervised(tmp_path, Desk(begin)):
        code, _, errors = await deploy(tmp_path)
    assert (code, errors) == (3, "web had no rollout; 'atoll rollouts web' tells how it ended\n")
