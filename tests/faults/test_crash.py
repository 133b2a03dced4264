"""Crash points: free without the variable, refused with one line if the label makes no sense, and an end without goodbye."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from atoll import crash
from atoll.crash import EXIT_CODE, LABELS, VARIABLE

CODE = """
from atoll.crash import crash_point
try:
    for n in range(5):
        print(n, flush=True)
        crash_point("after-commit")
finally:
    print("goodbye", flush=True)
"""


def run(setting: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, VARIABLE: setting}
    return subprocess.run([sys.executable, "-c", CODE], env=environment, capture_output=True, text=True, check=False)


def test_without_the_variable_a_point_does_nothing() -> None:
    assert VARIABLE not in os.environ
    assert crash.crash_point is crash._nothing


def test_an_empty_variable_is_none() -> None:
    assert run("").stdout == "0\n1\n2\n3\n4\ngoodbye\n"


@pytest.mark.parametrize(("setting", "passed"), [("after-commit", "0\n"), ("after-commit:3", "0\n1\n2\n")])
def test_the_process_ends_there_without_goodbye(setting: str, passed: str) -> None:
    done = run(setting)
    assert (done.returncode, done.stdout) == (EXIT_CODE, passed)
    assert done.stderr == f"{VARIABLE}: ends at after-commit\n"


def test_another_label_is_passed_by() -> None:
    assert run("before-commit").returncode == 0


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("after-comit", f"{VARIABLE}: there is no crash point 'after-comit'; there are: {', '.join(LABELS)}\n"),
        (
            "after-commit:often",
            f"{VARIABLE}: 'often' is no number of times; write after-commit:2 to end the second time\n",
        ),
        ("after-commit:0", f"{VARIABLE}: '0' is no number of times; write after-commit:2 to end the second time\n"),
    ],
)
def test_nonsense_is_one_line(setting: str, line: str) -> None:
    done = run(setting)
    assert (done.returncode, done.stderr) == (1, line)
