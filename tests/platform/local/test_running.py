"""One running system, used by all tests of this file in turn: each leaves it whole."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

import asyncpg
import pytest
from tests.platform.local.demo import (
    Demo,
    alive,
    answers,
    assert_nothing_left,
    eventually,
    get,
    kill,
    listens,
    ports,
    processes,
)

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    demo = Demo(tmp_path_factory.mktemp("running"))
    demo.up()
    try:
        yield demo
        status = demo.json("ps")
        supervisor = demo.supervisor()
        assert demo.run("down").returncode == 0
        eventually(lambda: not alive(supervisor))
        assert_nothing_left(demo, status)
    finally:
        demo.run("down")


def whole(demo: Demo) -> dict[str, Any]:
    """The status, once all is ready and the gateway answers."""
    assert demo.run("wait").returncode == 0
    status: dict[str, Any] = demo.json("ps")
    eventually(lambda: answers(status["gateway"] + "/web/environment") and answers(status["gateway"] + "/raw/"))
    return status


def environment(status: dict[str, Any], service: str) -> dict[str, str]:
    found: dict[str, str] = get(status["services"][service]["instances"][0]["url"] + "/environment")[1]
    return found


def test_the_status_names_everything_that_runs(demo: Demo) -> None:
    status = whole(demo)
    assert set(status) == {"system", "gateway", "dashboard", "services", "parts"}
    assert {name: part["kind"] for name, part in status["parts"].items()} == {
        "dashboard": "dashboard",
        "envoy": "envoy",
        "nats": "nats",
        "postgres": "postgres",
    }
    assert [len(status["services"][name]["instances"]) for name in ("web", "raw")] == [1, 2]
    assert all(alive(pid) for pid in processes(status).values())


def test_ps_shows_what_is_asked_for_by_the_names_that_it_shows(demo: Demo) -> None:
    whole(demo)
    processes_first, _, _ = demo.run("ps", "raw", "gateway").stdout.partition("\n\n")
    shown = [line.split()[0] for line in processes_first.splitlines()]
    assert shown == ["NAME", "gateway", "raw-1", "raw-2"]
    one = demo.json("ps", "envoy")
    assert (set(one["parts"]), one["services"]) == ({"envoy"}, {})
    done = demo.run("ps", "nobody")
    assert (done.returncode, done.stderr) == (
        1,
        "there is no 'nobody'; known are web, raw, gateway, nats, postgres, dashboard\n",
    )


def test_everything_listens_on_the_loopback_only(demo: Demo) -> None:
    import psutil

    status = whole(demo)
    ours = set(processes(status).values()) | {demo.supervisor()}
    listening = [
        connection
        for connection in psutil.net_connections("tcp")
        if connection.status == psutil.CONN_LISTEN and connection.pid in ours
    ]
    assert len(listening) >= len(ports(status))
    # gRPC's IPv4 sockets are IPv6 ones whose address is a mapped one
    assert {one.laddr.ip.removeprefix("::ffff:") for one in listening if one.laddr} == {"127.0.0.1"}


def test_a_service_is_told_its_own_names_addresses_and_secrets(demo: Demo) -> None:
    status = whole(demo)
    web, raw = environment(status, "web"), environment(status, "raw")
    assert (web["ATOLL_SYSTEM"], web["ATOLL_SERVICE"], web["ATOLL_INSTANCE"], web["ATOLL_RELEASE"]) == (
        "demo",
        "web",
        "web-1",
        "dev",
    )
    assert web["ATOLL_BROKER_URL"].startswith("nats://web:")
    assert "ATOLL_BROKER_URL" not in raw
    import json

    assert json.loads(web["ATOLL_PEER_KEYS"])["raw"] == json.loads(raw["ATOLL_PEERS"])["web"]
    assert set(json.loads(raw["ATOLL_PEERS"])) == {"gateway", "web"}


async def test_the_role_of_one_service_cannot_open_the_database_of_another(demo: Demo) -> None:
    status = whole(demo)
    own = environment(status, "web")["ATOLL_DATABASE_URL"]
    connection = await asyncpg.connect(own)
    try:
        await connection.execute("CREATE TABLE IF NOT EXISTS mine (id int)")
        assert await connection.fetchval("SELECT current_user") == "web"
        assert await connection.fetchval("SHOW fsync") == "on"
    finally:
        await connection.close()
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await asyncpg.connect(own.rpartition("/")[0] + "/raw")


async def test_a_database_needs_its_password(demo: Demo) -> None:
    url = environment(whole(demo), "web")["ATOLL_DATABASE_URL"]
    with pytest.raises(asyncpg.InvalidPasswordError):
        await asyncpg.connect(url, password="wrong")


@pytest.mark.parametrize("name", ["postgres", "nats", "envoy", "web-1", "raw-2"])
def test_a_killed_process_is_brought_back_at_its_address(demo: Demo, name: str) -> None:
    before = whole(demo)
    kill(processes(before)[name])
    eventually(lambda: processes(demo.json("ps"))[name] not in {None, processes(before)[name]})
    after = whole(demo)
    assert ports(after) == ports(before)
    others = {key: pid for key, pid in processes(before).items() if key != name}
    assert {key: pid for key, pid in processes(after).items() if key != name} == others


def test_a_changed_file_reloads_its_service_alone(demo: Demo) -> None:
    before = processes(whole(demo))
    gateway = demo.json("ps")["gateway"]
    demo.write(
        "web/src/webapp.py",
        (demo.folder / "web/src/webapp.py").read_text("utf-8").replace("VERSION = 1", "VERSION = 22"),
    )
    eventually(lambda: get(gateway + "/web/version") == (200, 22))
    eventually(lambda: not alive(before["web-1"]))
    after = processes(whole(demo))
    assert {name for name, pid in before.items() if pid not in after.values()} == {"web-1"}


def test_two_edits_of_the_same_length_within_one_second_are_both_served(demo: Demo) -> None:
    gateway = whole(demo)["gateway"]
    file = demo.folder / "web/src/webapp.py"
    good = file.read_text("utf-8")
    for number in (55, 66):
        edited = demo.folder / "edited"
        edited.write_text(good.replace("VERSION = ", f"VERSION = {number} or "), "utf-8")
        os.utime(edited, (1_700_000_000, 1_700_000_000))
        edited.replace(file)
        eventually(lambda number=number: get(gateway + "/web/version") == (200, number))  # type: ignore[misc]
    demo.write("web/src/webapp.py", good)
    eventually(lambda: get(gateway + "/web/version")[1] not in {55, 66})
    whole(demo)


def test_a_service_that_does_not_start_anew_stays_as_it_was(demo: Demo) -> None:
    before = processes(whole(demo))
    good = (demo.folder / "web/src/webapp.py").read_text("utf-8")
    demo.write("web/src/webapp.py", "this is no Python")
    log = demo.folder / ".atoll/logs/supervisor.log"
    try:
        eventually(lambda: "the old one stays" in log.read_text("utf-8"))
        assert processes(demo.json("ps")) == before
    finally:
        demo.write("web/src/webapp.py", good)
    eventually(lambda: processes(demo.json("ps")) != before)
    whole(demo)


def test_scale_changes_the_number_of_instances(demo: Demo) -> None:
    whole(demo)
    assert len(demo.json("scale", "raw=3")["services"]["raw"]["instances"]) == 3
    assert len(demo.json("scale", "raw=2")["services"]["raw"]["instances"]) == 2
    assert demo.json("scale", "raw=0")["services"]["raw"]["instances"] == []
    assert "raw                  scaled to 0        -        0\n" in demo.run("ps").stdout
    assert len(demo.json("scale", "raw=2")["services"]["raw"]["instances"]) == 2
    assert demo.run("scale", "nobody=2").stderr == "there is no service 'nobody'; known are web, raw\n"
    assert demo.run("scale", "raw").returncode == 2


def test_restart_replaces_every_instance_of_a_service_without_a_gap(demo: Demo) -> None:
    before = processes(whole(demo))
    import threading

    gateway = demo.json("ps")["gateway"]
    stop = threading.Event()
    failed: list[object] = []

    def load() -> None:
        while not stop.is_set():
            if not answers(gateway + "/web/version"):
                failed.append(gateway)

    thread = threading.Thread(target=load)
    thread.start()
    try:
        assert demo.run("restart", "web").returncode == 0
    finally:
        stop.set()
        thread.join()
    assert failed == []
    assert set(before.values()) - set(processes(whole(demo)).values()) == {
        pid for name, pid in before.items() if name.startswith("web-")
    }


def test_a_second_up_in_the_same_folder_is_refused_in_one_line(demo: Demo) -> None:
    pid = demo.supervisor()
    for arguments in (("up", "-d"), ("up",), ("up", "--isolated", "-d", "--json")):
        done = demo.run(*arguments)
        assert done.returncode == 1
        assert (
            done.stderr
            == f"{demo.folder}: the system runs already (pid {pid}); look with 'atoll ps', or end it with 'atoll down'\n"
        )
    whole(demo)


def test_another_checkout_runs_beside_it(demo: Demo, tmp_path: Path) -> None:
    other = Demo(tmp_path)
    try:
        status = other.up()
        assert not set(ports(status)) & set(ports(whole(demo)))
    finally:
        other.run("down")
    assert_nothing_left(other, status)
    whole(demo)


def test_psql_opens_a_services_own_database_without_a_password_in_its_arguments(demo: Demo) -> None:
    whole(demo)
    done = demo.run("psql", "web", "-tAc", "SELECT current_user, current_setting('application_name')")
    assert (done.stdout, done.stderr) == ("web|atoll psql\n", "")
    done = demo.run("psql", "nobody", "-c", "SELECT 1")
    assert done.returncode == 1
    assert done.stderr == "'nobody' is no service with a database; there are: web, raw\n"


def test_describe_shows_where_the_gateway_runs(demo: Demo) -> None:
    status = whole(demo)
    assert f"  gateway: 127.0.0.1:8080 (runs at {status['gateway']})\n" in demo.run("describe").stdout


def test_logs_show_what_a_service_said(demo: Demo) -> None:
    said = demo.run("logs", "web", "raw").stdout
    assert "Uvicorn running" in said
    assert demo.run("logs", "nobody").returncode == 1


def test_no_secret_is_in_logs_or_argv(demo: Demo) -> None:
    status = whole(demo)
    told = environment(status, "web")
    secrets = [
        told["ATOLL_REGISTRY_TOKEN"],
        told["ATOLL_DATABASE_URL"].split(":")[2].split("@")[0],
        told["ATOLL_BROKER_URL"].split(":")[2].split("@")[0],
    ]
    places = [path.read_text("utf-8", "replace") for path in (demo.folder / ".atoll/logs").glob("*")]
    places += [
        Path(f"/proc/{pid}/cmdline").read_text("utf-8", "replace")
        for pid in processes(status).values()
        if Path("/proc").is_dir()
    ]
    assert [secret for secret in secrets if any(secret in place for place in places)] == []


def test_a_service_registers_nobody_but_itself(demo: Demo) -> None:
    status = whole(demo)
    told = environment(status, "web")
    names = sorted(status["services"])
    for name in names:
        url = f"{told['ATOLL_REGISTRY_URL']}/v1/services/{name}"
        bearer = {"authorization": f"Bearer {told['ATOLL_REGISTRY_TOKEN']}"}
        with urlopen(Request(url, headers=bearer)) as reply:
            assert reply.status == 200
        refused = Request(f"{url}/instances/nobody", method="DELETE", headers=bearer)
        if name == "web":
            with urlopen(refused) as reply:
                assert reply.status == 200
        else:
            with pytest.raises(HTTPError, match="403"):
                urlopen(refused)


def test_files_with_secrets_are_private(demo: Demo) -> None:
    home = demo.folder / ".atoll"
    assert {
        name: (home / name).stat().st_mode & 0o777 for name in ("secret", "state.json", "nats.conf")
    } == dict.fromkeys(("secret", "state.json", "nats.conf"), 0o600)
    assert home.stat().st_mode & 0o077 == 0


async def test_after_a_killed_supervisor_all_goes_on_and_the_next_up_works(demo: Demo) -> None:
    status = whole(demo)
    url = environment(status, "web")["ATOLL_DATABASE_URL"]
    connection = await asyncpg.connect(url)
    await connection.execute("CREATE TABLE kept AS SELECT 7 AS number")
    await connection.close()
    supervisor = demo.supervisor()
    kill(supervisor)
    eventually(lambda: not alive(supervisor))
    assert all(alive(pid) for pid in processes(status).values())
    assert answers(status["gateway"] + "/web/environment")
    for verb in (("ps",), ("restart",), ("wait",), ("scale", "web=2")):
        said = demo.run(*verb).stderr
        count = len(processes(status))
        assert said == (
            f"{demo.folder}: the supervisor is gone, and {count} processes go on; "
            "run 'atoll up' to begin anew on the same data, or 'atoll down' to end them\n"
        )
    assert "Uvicorn running" in demo.run("logs", "web").stdout
    after = demo.up()
    assert not any(alive(pid) for pid in processes(status).values())
    assert [part["url"] for part in after["parts"].values()] == [part["url"] for part in status["parts"].values()]
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT number FROM kept") == 7
    await connection.close()


def test_down_ends_what_a_killed_supervisor_left(demo: Demo) -> None:
    status = whole(demo)
    kill(demo.supervisor())
    done = demo.run("down")
    assert done.returncode == 0, done.stderr
    assert "that a killed supervisor left" in done.stdout
    assert_nothing_left(demo, status)
    assert not any(listens(port) for port in ports(status))
    assert demo.run("down").stdout == "nothing runs\n"
    demo.up()
    whole(demo)


def test_a_damaged_state_file_loses_nothing(demo: Demo) -> None:
    status = whole(demo)
    kill(demo.supervisor())
    (demo.folder / ".atoll/state.json").write_text("{ broken", "utf-8")
    assert demo.run("ps").returncode == 1
    demo.up()
    assert not any(alive(pid) for pid in processes(status).values())
    whole(demo)
