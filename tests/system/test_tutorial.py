"""The tutorial works as it stands: its files are written, its commands are run."""

from __future__ import annotations

import argparse
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.calls import call
from tests.system.local_system import REPOSITORY, LocalSystem
from tests.system.waiting import until

TUTORIAL = (REPOSITORY / "docs" / "tutorial.md").read_text("utf-8")
FILE = re.compile(r"^```python title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)
PORT = "8090"


@pytest.fixture
def library(tmp_path: Path) -> Iterator[LocalSystem]:
    """The files of the tutorial in a folder."""
    for name, text in FILE.findall(TUTORIAL):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    system = LocalSystem(tmp_path)
    yield system
    system.atoll("down")


def commands() -> list[list[str]]:
    blocks = "".join(CONSOLE.findall(TUTORIAL))
    return [shlex.split(line.removeprefix("$ ")) for line in blocks.splitlines() if line.startswith("$ ")]


def test_every_command_of_the_tutorial_does_what_it_says(library: LocalSystem) -> None:
    answers: list[str] = []
    for program, *arguments in commands():
        if (program, *arguments[:1]) == ("atoll", "up"):
            library.up()  # on free ports, so that tests can run side by side
        elif program == "atoll":
            library.must(*arguments)
        else:
            if arguments[1].endswith("/letters/ada"):
                until(
                    lambda: call(library.gateway, "GET", "/letters/ada").json["letters"], within=10, what="the letter"
                )
            answers.append(curl(arguments, library.gateway))
    lent, letter, refused, wrong = answers
    assert '"reader":"ada"' in lent
    assert "Dear ada, enjoy Emma." in letter
    assert "urn:problem:already-lent" in refused
    assert '"field":"title"' in wrong
    assert library.processes() == {}


def curl(arguments: list[str], gateway: str) -> str:
    """What curl would print: it need not be installed where the tests run."""
    options = argparse.ArgumentParser()
    options.add_argument("-s", action="store_true")
    options.add_argument("-H", dest="headers", action="append", default=[])
    options.add_argument("-d", dest="data")
    options.add_argument("url")
    given = options.parse_args(arguments)
    headers = dict(header.split(": ", 1) for header in given.headers)
    path = given.url.removeprefix(f"http://localhost:{PORT}")
    body = given.data.encode() if given.data else None
    return call(gateway, "POST" if body else "GET", path, body, headers=headers).body.decode()
