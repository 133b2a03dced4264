"""`atoll down` and Ctrl-C leave no process, port or socket; two checkouts run side by side."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.system.local_system import ATOLL, START_LIMIT, STOP_LIMIT, LocalSystem, clean_environment
from tests.system.shopper import new_shopper


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        return probe.connect_ex(("127.0.0.1", port)) != 0


def sockets_below(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_socket()]


def must_be_gone(system: LocalSystem, ports: set[int]) -> None:
    assert system.processes() == {}
    assert [port for port in ports if not is_free(port)] == []
    assert sockets_below(system.folder) == []


@pytest.mark.every_broker
def test_down_leaves_nothing_and_a_second_run_has_all_orders(new_system: Callable[[], LocalSystem]) -> None:
    system = new_system().up()
    ada = new_shopper(system)
    order = ada.place()
    ada.wait_for(order["id"], "confirmed")
    for _ in range(2):
        ports = system.ports()
        assert len(ports) >= 6  # three services, PostgreSQL, the broker, Envoy
        system.down()
        must_be_gone(system, ports)
        system.up()
        assert ada.order(order["id"])["status"] == "confirmed"
    system.down()
    assert system.must("down").strip() == "nothing runs"


def test_ctrl_c_leaves_nothing(new_system: Callable[[], LocalSystem]) -> None:
    system = new_system()
    process = subprocess.Popen(
        [str(ATOLL), "up", "--isolated", "--no-watch", "--json", "--system", str(system.folder / "system.py")],
        cwd=system.folder, env=clean_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    with process:
        try:
            assert process.stdout is not None
            system.status = first_object(iter(process.stdout.readline, ""))
            ports = system.ports()
            assert len(ports) >= 6
            process.send_signal(signal.SIGINT)
            assert process.wait(STOP_LIMIT) in (0, 130)
        finally:
            process.kill()
    must_be_gone(system, ports)


def first_object(lines: object) -> dict[str, object]:
    """The first JSON object that the lines hold."""
    text = ""
    for line in lines:  # type: ignore[attr-defined]
        text += line
        try:
            found: dict[str, object] = json.loads(text)
        except ValueError:
            continue
        return found
    raise AssertionError(f"no object within {START_LIMIT} s: {text}")


def test_two_checkouts_run_at_once(new_system: Callable[[], LocalSystem]) -> None:
    one, two = new_system().up(), new_system().up()
    assert not one.ports() & two.ports()
    ada, bob = new_shopper(one), new_shopper(two)
    first, second = ada.place(), bob.place()
    ada.wait_for(first["id"], "confirmed")
    bob.wait_for(second["id"], "confirmed")
    ada.ask("GET", f"/orders/{second['id']}").must_be_problem(404)
    one.down()
    assert bob.order(second["id"])["status"] == "confirmed"
    two.down()
    assert {**one.processes(), **two.processes()} == {}
