"""Two releases of one service, with two versions of what it needs, serve at the same time."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from tests.platform.release.projects import Project, asgi_project, atoll_project

from atoll.platform.release import Release


@asynccontextmanager
async def served(release: Release) -> AsyncIterator[str]:
    """Its base URL, once it is ready. PYTHONPATH is of someone who wants it to find other code."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    variables = os.environ | {"PYTHONPATH": "/nowhere"} | release.environment
    variables |= {"ATOLL_HOST": "127.0.0.1", "ATOLL_PORT": str(port), "PYTHONSAFEPATH": "1"}
    process = await asyncio.create_subprocess_exec(*release.argv, cwd=release.source, env=variables)
    try:
        url = f"http://127.0.0.1:{port}"
        async with asyncio.timeout(60):
            while not await asyncio.to_thread(answers, f"{url}/health/ready"):
                assert process.returncode is None, "it ended"
                await asyncio.sleep(0.05)
        yield url
    finally:
        process.terminate()
        await process.wait()


def answers(url: str) -> bool:
    try:
        return read(url) != b""
    except (OSError, urllib.error.URLError):
        return False


def read(url: str) -> bytes:
    with urllib.request.urlopen(url, timeout=10) as reply:
        return bytes(reply.read())


async def two_releases(project: Project, *needs: str) -> tuple[Release, Release]:
    old = await project.build()
    project.needs(*needs, "shout==2.0")
    return old, await project.build()


async def test_two_releases_of_an_atoll_service_each_with_its_own_dependencies(tmp_path: Path) -> None:
    old, new = await two_releases(atoll_project(tmp_path), "atoll")
    async with served(old) as first, served(new) as second:
        said = [json.loads(await asyncio.to_thread(read, f"{url}/said")) for url in (first, second, first)]
    assert [one["version"] for one in said] == ["1.0", "2.0", "1.0"]
    assert json.loads((new.contract / "openapi.json").read_text())["info"]["version"] == "1.2.0"
    assert not (new.contract / "asyncapi.json").exists()
    assert list(new.migrations.iterdir()) == []


async def test_the_same_of_an_asgi_application_which_needs_no_atoll(tmp_path: Path) -> None:
    old, new = await two_releases(asgi_project(tmp_path), "uvicorn")
    assert "atoll" not in new.packages
    async with served(old) as first, served(new) as second:
        assert [await asyncio.to_thread(read, f"{url}/") for url in (first, second)] == [b"1.0", b"2.0"]


async def test_a_release_serves_what_was_built_whatever_becomes_of_the_tree(tmp_path: Path) -> None:
    project = asgi_project(tmp_path)
    release = await project.build()
    project.module.write_text("raise SystemExit('of the tree')\n")
    async with served(release) as url:
        assert await asyncio.to_thread(read, f"{url}/") == b"1.0"
