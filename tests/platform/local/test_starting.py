"""How a system starts and ends: in the foreground, as another user, with what it lacks, and when something is wrong."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.platform.local.demo import (
    SYSTEM,
    Demo,
    alive,
    answers,
    assert_nothing_left,
    eventually,
    get,
    kill,
    marked_processes,
    processes,
)

from atoll.platform.local import unprivileged
from atoll.platform.local.folder import Folder, State
from atoll.platform.local.options import Options
from atoll.platform.local.run import run

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def demo(tmp_path: Path) -> Iterator[Demo]:
    demo = Demo(tmp_path)
    yield demo
    demo.run("down")


def one_line(done: subprocess.CompletedProcess[str]) -> str:
    """The line on standard error of a command that exits with 1; details may follow, indented."""
    assert done.returncode == 1, (done.stdout, done.stderr)
    assert "Traceback" not in done.stderr
    first, *details = done.stderr.splitlines()
    assert all(line.startswith("  ") for line in details)
    return first


def test_up_twice_in_a_row_keeps_the_data_and_down_leaves_nothing(demo: Demo) -> None:
    for _ in range(2):
        status = demo.up()
        assert answers(status["gateway"] + "/web/environment")
        assert demo.run("down").stdout == "stopped\n"
        assert_nothing_left(demo, status)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_ends_the_foreground_in_order(demo: Demo, number: signal.Signals) -> None:
    child = subprocess.Popen(
        demo.argv("up", "--isolated"), cwd=demo.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    lines = []
    for line in child.stdout:
        lines.append(line)
        if "is ready" in line:
            break
    status = demo.json("ps")
    assert f"curl {status['gateway']}/web/environment\n" in lines
    child.send_signal(number)
    output, errors = child.communicate(timeout=30)
    assert (child.returncode, errors) == (0, "")
    ended = [line.split()[2] for line in output.splitlines() if "stopped" in line]
    assert ended[0] == "gateway" or ended[-3:] == ["nats", "postgres", "dashboard"]
    assert_nothing_left(demo, status)


def test_a_reader_that_leaves_does_not_end_the_run_and_nothing_is_left_after_it(demo: Demo) -> None:
    child = subprocess.Popen(
        demo.argv("up", "--isolated"), cwd=demo.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stderr is not None
    child.stdout.readline()
    child.stdout.close()  # as `| head -1` does
    eventually(lambda: demo.run("wait").returncode == 0)
    status = demo.json("ps")
    assert answers(status["gateway"] + "/web/environment")
    assert child.poll() is None
    child.send_signal(signal.SIGINT)
    errors = child.stderr.read()
    assert (child.wait(30), errors) == (0, "")
    child.stderr.close()
    assert_nothing_left(demo, status)


async def test_whatever_fails_when_all_is_ready_ends_everything(demo: Demo) -> None:
    def fails(_: object) -> None:
        raise ValueError("the screen broke")

    with pytest.raises(ValueError, match="the screen broke"):
        await run(demo.folder / "system.py", Options(isolated=True), lambda _: None, fails)
    assert marked_processes(demo.folder / ".atoll") == []


def test_a_signal_while_it_starts_leaves_nothing(demo: Demo) -> None:
    child = subprocess.Popen(demo.argv("up", "--isolated"), cwd=demo.folder, stdout=subprocess.PIPE, text=True)
    assert child.stdout is not None
    for line in child.stdout:
        if "nats" in line:
            break
    child.send_signal(signal.SIGINT)
    child.communicate(timeout=30)
    assert marked_processes(demo.folder / ".atoll") == []
    assert demo.up()["gateway"]


@pytest.mark.skipif(
    os.geteuid() != 0 or sys.platform != "linux", reason="as root on Linux one can become somebody else"
)
def test_it_runs_as_a_normal_user(tmp_path: Path) -> None:
    prefix = (sys.executable, "-I", "-S", unprivileged.__file__, "namespace", "65534", "65534")
    demo = Demo(tmp_path, prefix)
    try:
        status = demo.up()
        assert answers(status["gateway"] + "/web/environment")
        assert get(status["services"]["raw"]["instances"][0]["url"])[0] == 200
    finally:
        demo.run("down")
    assert_nothing_left(demo, status)


def test_a_service_that_fails_is_told_with_its_last_lines_and_nothing_is_left(demo: Demo) -> None:
    demo.write("raw/server.py", 'raise SystemExit("the price list is missing")')
    done = demo.run("up", "-d", "--isolated")
    line = one_line(done)
    assert line.startswith("raw-")
    assert "ended with exit code 1 before it was ready; see " in line
    assert "  the price list is missing" in done.stderr.splitlines()
    assert marked_processes(demo.folder / ".atoll") == []
    assert demo.run("down").stdout == "nothing runs\n"


def test_a_missing_program_is_one_line(demo: Demo) -> None:
    demo.write("system.py", SYSTEM.replace('("python", "server.py")', '("no-such-program",)'))
    done = demo.run("up", "-d", "--isolated")
    line = one_line(done)
    assert "raw-" in line
    assert line.endswith("there is no program 'no-such-program'; install it, or correct the command")
    assert " restarting " not in done.stdout, "it is not there the second time either"


def test_a_port_in_use_is_named_with_who_uses_it(demo: Demo) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        line = one_line(demo.run("up", "-d", "--port", str(port)))
    assert line.startswith(f"system.py:11: the gateway: port {port} is in use by ")
    assert f"(pid {os.getpid()})" in line
    advice = re.search(r"; end that, or run '(.+) up --port (\d+)' or '(.+) up --isolated'$", line)
    assert advice is not None, line
    assert advice[1] == advice[3]
    assert int(advice[2]) > port
    said = subprocess.run(
        (*advice[1].split(), "--version"), cwd=demo.folder, capture_output=True, text=True, check=True
    )
    assert said.stdout.startswith("atoll "), "the command works as it is printed"


@pytest.mark.parametrize(("part", "line"), [("Postgres", "PostgreSQL"), ("Nats", "NATS")])
def test_a_given_server_that_is_away_is_one_line(demo: Demo, part: str, line: str) -> None:
    scheme = "postgresql" if part == "Postgres" else "nats"
    demo.write(
        "system.py", SYSTEM.replace("port=8080", "port=0").replace(f"={part}()", f'={part}("{scheme}://127.0.0.1:9")')
    )
    said = one_line(demo.run("up", "-d"))
    assert f"the given {line} at 127.0.0.1:9 is not reachable; start it, correct the address, or use --isolated" in said
    assert said.startswith("system.py:1")


def test_given_servers_are_used(demo: Demo, tmp_path: Path) -> None:
    """A second system uses the servers of the first; its database bears the system's name."""
    import json

    status = demo.up()
    told = get(status["gateway"] + "/web/environment")[1]
    admin = Folder(demo.folder / ".atoll").secret("postgres:admin")
    postgres = f"postgresql://postgres:{admin}@{status['parts']['postgres']['url'].rpartition('/')[2]}/postgres"
    text = (
        SYSTEM.replace("port=8080", "port=0")
        .replace("Postgres()", f"Postgres({postgres!r})")
        .replace("Nats()", f"Nats({told['ATOLL_BROKER_URL']!r})")
    )
    other = Demo(tmp_path / "other", system=text.replace('"demo"', '"second"'))
    try:
        used: dict[str, object] = json.loads(other.run("up", "-d", "--json").stdout)
        assert used["parts"]["postgres"]["pid"] is None  # type: ignore[index]
        environment = get(f"{used['gateway']}/web/environment")[1]
        assert environment["ATOLL_DATABASE_URL"].endswith("/second_web")
    finally:
        other.run("down")
    assert answers(status["gateway"] + "/web/environment")


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("from atoll.system import (\n", "system.py:1: '(' was never closed; correct the syntax"),
        (
            "\nimport no_such_package\n",
            "system.py:2: No module named 'no_such_package'; install it, or put it beside system.py",
        ),
        ("x = 1\n", 'system.py:1: there is no System in it; add system = System("name", services=(...))'),
        ("\n1 / 0\n", "system.py:2: ZeroDivisionError: division by zero; correct this line"),
    ],
)
def test_a_broken_system_file_is_one_line(demo: Demo, text: str, line: str) -> None:
    demo.write("system.py", text)
    for verb in (("up", "-d"), ("check",)):
        assert one_line(demo.run(*verb)) == line


def test_a_wrong_model_is_refused_before_anything_starts(demo: Demo) -> None:
    demo.write("system.py", SYSTEM.replace('calls=("raw",)', 'calls=("nobody",)'))
    line = "system.py:8: Service 'web' calls 'nobody', which is not a service; known are raw, web"
    assert one_line(demo.run("up", "-d")) == line
    assert one_line(demo.run("check")) == line


SMALL = """
from atoll.system import Service, System
services = tuple(Service(name, command=("python", "server.py"), source="raw") for name in ("raw", "raw2", "raw3"))
system = System("small", services=services)
"""


def test_a_stable_release_that_is_gone_has_a_way_out(tmp_path: Path) -> None:
    demo = Demo(tmp_path, system=SMALL)
    folder = Folder(tmp_path / ".atoll")
    folder.create()
    folder.write_state(State(stable={"raw": "19abcdef0123", "raw2": "0123456789ab"}))
    try:
        done = demo.run("up", "-d", "--isolated")
        said = "its stable release {} is gone from the shelf; 'atoll up --dev {}' runs the working tree instead"
        assert one_line(done) == f"raw: {said.format('19abcdef0123', 'raw')}"
        assert done.stderr.splitlines()[1:] == [f"  raw2: {said.format('0123456789ab', 'raw2')}"]
        unknown = demo.run("up", "-d", "--isolated", "--dev", "row")
        assert one_line(unknown) == "--dev row: there is no service 'row'; known are raw, raw2, raw3"
        assert folder.read_state().stable == {"raw": "19abcdef0123", "raw2": "0123456789ab"}
        started = demo.run("up", "-d", "--isolated", "--dev", "raw", "--dev", "raw2", "--dev", "raw3")
        assert started.returncode == 0, started.stderr
        assert "runs the working tree; its stable release was 19abcdef0123" in started.stdout
        assert {one["release"] for one in demo.json("ps")["services"].values()} == {"dev"}
        assert folder.read_state().stable == {}
    finally:
        demo.run("down")


def test_a_damaged_secret_is_one_line(demo: Demo) -> None:
    demo.up()
    demo.run("down")
    secret = demo.folder / ".atoll/secret"
    kept = secret.read_text("ascii")
    secret.write_text("?", "ascii")
    assert ".atoll/secret is damaged; put it back from a copy" in one_line(demo.run("up", "-d", "--isolated"))
    secret.unlink()
    said = one_line(demo.run("up", "-d", "--isolated"))
    assert ".atoll/secret is lost, and the passwords of the data in" in said
    assert "put it back from a copy" in said
    assert not secret.exists()
    secret.write_text("00" * 32, "ascii")
    assert ".atoll/secret is not the one that this data was made with" in one_line(demo.run("up", "-d", "--isolated"))
    secret.write_text(kept, "ascii")
    assert demo.up()["gateway"]


APP = """
import os
from atoll.contracts import Api, Event, Input, Message, Operation
from atoll.data import Work
from atoll.service import Service, consumes, implements

class Told(Event, subject="told.it"):
    text: str

@consumes(Told)
async def hear(event: Told, work: Work) -> None:
    await work.execute("SELECT 1")

service = Service("teller", handlers=[hear], migrations="teller:migrations")
"""

TELLER = """
from atoll.system import Nats, Postgres, Service, System

system = System("told", postgres=Postgres(), broker=Nats(), services=(
    Service("web", asgi="webapp:app", source="web"),
    Service("teller", serve="teller:service", source="teller", database=True, events=True),
))
"""


@pytest.fixture(scope="module")
def teller(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("teller"), system=TELLER)
    demo.write("teller/teller/__init__.py", APP)
    demo.write("teller/teller/migrations/__init__.py", "")
    demo.up()
    demo.run("down")
    yield demo
    demo.run("down")


@pytest.mark.parametrize(
    ("right", "wrong", "reason"),
    [
        (", events=True", "", "Service 'teller': teller publishes or consumes events; add events=True"),
        ("database=True, ", "", "Service 'teller': teller owns a database; add database=True"),
        (
            '"teller:service"',
            '"tellar:service"',
            "Service 'teller': serve='tellar:service': there is no module 'tellar'; correct serve= or source=",
        ),
        (
            '"teller:service"',
            '"teller:servce"',
            "Service 'teller': serve='teller:servce': teller has no attribute 'servce'; correct serve= or source=",
        ),
        ('"webapp:app"', '"webap:app"', "Service 'web': asgi='webap:app': No module named 'webap'; correct asgi="),
    ],
)
def test_a_service_that_gives_up_is_told_by_its_node_and_field(
    teller: Demo, right: str, wrong: str, reason: str
) -> None:
    teller.write("system.py", TELLER.replace(right, wrong))
    done = teller.run("up", "-d", "--isolated")
    line = one_line(done)
    place = 5 if "'web'" in reason else 6
    assert line.startswith(f"system.py:{place}: {reason}")
    assert [text.split()[0] for text in done.stderr.splitlines()[1:]] == ["see"], "no line of an earlier run is shown"
    failed = [text for text in done.stdout.splitlines() if " failed " in text]
    assert len(failed) == 1
    assert line in failed[0]
    assert " restarting " not in done.stdout, "it cannot go better the second time"


@pytest.mark.skipif(os.geteuid() != 0 or sys.platform != "linux", reason="only root can mount a small disk")
def test_a_full_disk_is_one_line(demo: Demo) -> None:
    home = demo.folder / ".atoll"
    home.mkdir()
    mounted = subprocess.run(
        ("mount", "-t", "tmpfs", "-o", "size=8m", "tmpfs", str(home)), check=False, capture_output=True
    )
    if mounted.returncode != 0:
        pytest.skip("mounting is not allowed here")
    try:
        line = one_line(demo.run("up", "-d", "--isolated"))
        assert "no space left on the disk; free some and run it again (nothing is lost)" in line
    finally:
        subprocess.run(("umount", str(home)), check=True)


def test_everything_killed_at_once_comes_up_again(demo: Demo) -> None:
    status = demo.up()
    for pid in (demo.supervisor(), *processes(status).values()):
        kill(pid)
    eventually(lambda: not any(alive(pid) for pid in processes(status).values()))
    after = demo.up()
    assert answers(after["gateway"] + "/web/environment")
