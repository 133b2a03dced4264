"""The tutorial works as it stands: its files are written, its commands are run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.tutorials import commands, curl, page, write_files
from tests.system.waiting import until

TUTORIAL = page("tutorial.md")


@pytest.fixture
def library(tmp_path: Path) -> Iterator[LocalSystem]:
    """The files of the tutorial in a folder."""
    write_files(TUTORIAL, tmp_path)
    system = LocalSystem(tmp_path)
    yield system
    system.atoll("down")


def test_every_command_of_the_tutorial_does_what_it_says(library: LocalSystem) -> None:
    answers: list[str] = []
    for program, *arguments in commands(TUTORIAL):
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
