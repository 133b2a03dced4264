"""The verbs of rollouts, as far as nothing has to run: bad input, and what the journal says."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from atoll.platform.rollout import Figures, Finding, FolderJournal, Plan, Rollout
from atoll.platform.rollout.records import Entry, Point
from atoll.system import Trouble

SYSTEM = """
from atoll.system import Canary, Service, System
system = System("small", services=(Service("web", command=("true",), rollout=Canary(interval=5)),))
"""
NEW, OLD = (
    Figures(60, 4, 0.066, 0.01, 0.05, ready=1, instances=1),
    Figures(60, 0, 0.0, 0.01, 0.04, ready=1, instances=1),
)
WHY = "errors: 6.6 % of 60 requests failed; 1 % are allowed"


def atoll(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "atoll", *arguments), cwd=folder, capture_output=True, text=True, check=False, timeout=60
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "system.py").write_text(SYSTEM, "utf-8")
    return tmp_path


@pytest.fixture
def rolled_back(folder: Path) -> Path:
    """Two rollouts: one that was promoted, and one that was rolled back from half of the traffic."""
    journal = FolderJournal(folder / ".atoll" / "rollouts")
    (folder / ".atoll").mkdir()
    first = Rollout(1, "web", "aaaaaaaaaaaa", "dev", Plan("canary"), 1.0, "promoted", reason="it has all", took=9.0)
    second = Rollout(
        2, "web", "bbbbbbbbbbbb", "aaaaaaaaaaaa", Plan("canary"), 50.0, "rolled back", reason=WHY, took=8.0
    )
    findings = (Finding("errors", "failed", WHY.removeprefix("errors: ")), Finding("p99", "passed", "50 ms"))
    second.add(Entry(2.0, "stepping", 50, "begin", "50 % of the traffic"))
    second.add(Entry(7.0, "stepping", 50, "go back", WHY, findings, NEW, OLD))
    second.points += [Point(3.0, 50, OLD, OLD), Point(7.0, 50, NEW, OLD)]
    journal.save(first)
    journal.save(second)
    return folder


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["wep"], "there is no service 'wep'; known are web"),
        (["web", "--steps", "5,x"], "'5,x' is not like 5,25,50,100"),
        (["web", "--steps", "5,25"], "steps are 5,25; the last one must be 100"),
        (["web", "--steps", "50,25,100"], "steps are 50,25,100; each must be more than the one before"),
        (["web", "--interval", "soon"], "'soon' is not like 250ms, 2s or 1m"),
        (["web", "--max-p99", "fast"], "'fast' is not like 1.5x"),
        (["web", "--max-errors", "101%"], "'101%' is not between 0% and 100%"),
        (["web", "--strategy", "purple"], "there is no strategy 'purple'; take canary, blue-green, rolling"),
        (["web", "--strategy", "rolling", "--steps", "5,100"], "steps is nothing that rolling has"),
        (["web"], "the system does not run; start it with 'atoll up'"),
        (["web", ""], "it is empty; leave it out to build one of the working tree"),
    ],
)
def test_bad_input_is_one_line_and_exit_code_2(folder: Path, arguments: list[str], line: str) -> None:
    done = atoll(folder, "deploy", *arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert line in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize("verb", ["promote", "pause", "abort", "rollback"])
def test_a_verb_without_a_running_system_is_refused(folder: Path, verb: str) -> None:
    done = atoll(folder, verb, "web")
    assert (done.returncode, "the system does not run" in done.stderr) == (1, True)


def test_rollouts_are_listed_the_newest_first(rolled_back: Path) -> None:
    lines = atoll(rolled_back, "rollouts", "web").stdout.splitlines()
    assert [line.split()[1:3] for line in lines[1:]] == [["2", "bbbbbbbbbbbb"], ["1", "aaaaaaaaaaaa"]]
    assert lines[1].endswith(WHY)
    found = json.loads(atoll(rolled_back, "rollouts", "--json").stdout)["rollouts"]
    assert [(one["number"], one["phase"]) for one in found] == [(2, "rolled back"), (1, "promoted")]


@pytest.mark.parametrize("name", ["2", "bbbb"])
def test_one_is_shown_with_what_was_measured_and_decided(rolled_back: Path, name: str) -> None:
    said = atoll(rolled_back, "rollouts", "web", name).stdout
    assert "web rollout 2: bbbbbbbbbbbb beside aaaaaaaaaaaa, canary, rolled back" in said
    assert "7.0 s  50 %   60        6.60%   50.0 ms  0.00%          40.0 ms" in said
    assert f"50 %  errors: failed: {WHY.removeprefix('errors: ')}" in said


def test_one_is_drawn(rolled_back: Path) -> None:
    assert atoll(rolled_back, "rollouts", "web", "2", "--svg", "out.svg").stdout == "drew out.svg\n"
    drawn = (rolled_back / "out.svg").read_text("utf-8")
    assert "web, rollout 2: canary, rolled back" in drawn
    assert drawn.count("<polyline") == 5


def test_a_path_that_cannot_be_written_is_one_line(rolled_back: Path) -> None:
    done = atoll(rolled_back, "rollouts", "web", "2", "--svg", "nowhere/out.svg")
    assert (done.returncode, done.stderr) == (1, "nowhere/out.svg: no such file or directory; look at the path\n")


def test_rollouts_of_a_service_that_is_none_are_refused(rolled_back: Path) -> None:
    done = atoll(rolled_back, "rollouts", "wep")
    assert done.returncode != 0
    assert "there is no service 'wep'" in done.stderr


def test_what_there_never_was_is_one_line(rolled_back: Path) -> None:
    done = atoll(rolled_back, "rollouts", "web", "9")
    assert (done.returncode, done.stderr) == (1, "web had no rollout '9'; see 'atoll rollouts web'\n")


@pytest.mark.parametrize(("damaged", "left"), [("web.json", "1"), ("web/1.json", "2")])
def test_a_damaged_journal_is_a_line_beside_those_that_are_not(rolled_back: Path, damaged: str, left: str) -> None:
    path = rolled_back / ".atoll" / "rollouts" / damaged
    path.write_text("{", "utf-8")
    done = atoll(rolled_back, "rollouts", "web")
    assert (done.returncode, [line.split()[1] for line in done.stdout.splitlines()]) == (0, ["NO", left])
    assert done.stderr.startswith(f"{path} is damaged")
    assert done.stderr.count("\n") == 1
    assert atoll(rolled_back, "rollouts", "web", left).returncode == 0


def test_a_journal_that_cannot_be_written_is_one_line(rolled_back: Path) -> None:
    journal = FolderJournal(rolled_back / "system.py" / "rollouts")
    with pytest.raises(Trouble, match="so nothing is rolled out"):
        journal.save(Rollout(1, "web", "new", "old", Plan("canary"), 0.0))
