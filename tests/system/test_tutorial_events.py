"""The tutorial of events works as it stands: its files are written, its commands are run."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.tutorials import commands, curl, page, write_files
from tests.system.waiting import until

TUTORIAL = page("tutorial-events.md")


@pytest.fixture
def bank(tmp_path: Path) -> Iterator[LocalSystem]:
    """The files of the tutorial in a folder."""
    write_files(TUTORIAL, tmp_path)
    system = LocalSystem(tmp_path)
    yield system
    system.atoll("down")


def balances(bank: LocalSystem) -> dict[str, int]:
    accounts = call(bank.gateway, "GET", "/balances").must(200).json["accounts"]
    return {account["name"]: account["balance"] for account in accounts}


def wait_until_moved(bank: LocalSystem, state: str, count: int) -> None:
    """As long as a reader takes to type the next command."""
    until(lambda: bank.must("sagas", "list").count(state) == count, within=20, what=f"{count} sagas {state}", pause=0.2)


def test_every_command_of_the_tutorial_does_what_it_says(bank: LocalSystem) -> None:
    shown: list[dict[str, int]] = []
    printed: dict[str, str] = {}
    for program, *arguments in commands(TUTORIAL):
        if (program, *arguments[:1]) == ("atoll", "up"):
            bank.up()  # on free ports, so that tests can run side by side
        elif program == "atoll":
            if arguments[0] == "sagas":
                wait_until_moved(bank, "compensated", 1)
            if arguments[0] == "down":
                until(lambda: balances(bank) == {"ada": 30, "bob": 20}, within=20, what="the read model is made anew")
            printed[arguments[0]] = bank.must(*arguments)
        elif arguments[-1].endswith("/balances"):
            wait_until_moved(bank, "completed", 1)
            shown.append(balances(bank))
        else:
            assert "urn:problem" not in curl(arguments, bank.gateway)
    assert shown == [{"ada": 30, "bob": 20}] * 2
    assert "move_money" in printed["sagas"]
    assert "completed" in printed["sagas"]
    assert bank.processes() == {}


def test_what_is_impossible_is_refused(bank: LocalSystem) -> None:
    bank.up()
    headers = {"content-type": "application/json"}
    body = json.dumps({"name": "ada"}).encode()
    call(bank.gateway, "POST", "/accounts", body, headers=headers).must(201)
    call(bank.gateway, "POST", "/accounts", body, headers=headers).must_be_problem(409)
    call(bank.gateway, "POST", "/accounts/eve/deposits", b'{"amount": 1}', headers=headers).must_be_problem(404)
