from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from tests.platform.release.projects import Project, asgi_project


def atoll(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = (sys.executable, "-m", "atoll", *arguments)
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False, timeout=60)


def said(folder: Path, *arguments: str) -> Any:
    done = atoll(folder, *arguments, "--json")
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return asgi_project(tmp_path)


def change(project: Project, number: int) -> None:
    project.module.write_text(f"{project.module.read_text()}\nCHANGE = {number}\n")


def builds(project: Project, count: int) -> list[str]:
    """Their ids, the newest first."""
    ids: list[str] = []
    for number in range(count):
        change(project, number)
        ids.insert(0, said(project.root, "build", "web")["releases"][0]["id"])
    return ids


def test_a_build_says_what_it_does_and_a_second_one_that_there_is_nothing_to_do(project: Project) -> None:
    first, second = (atoll(project.root, "build", "web").stdout.splitlines() for _ in range(2))
    assert first[:2] == ["web: its wheel", "web: its environment"]
    assert first[-1].startswith("web ")
    assert "is on the shelf already; nothing has changed since" in second[-1]


def test_json_has_one_object_for_each_release(project: Project) -> None:
    (first,) = said(project.root, "build")["releases"]
    (second,) = said(project.root, "build", "web")["releases"]
    assert (first["new"], second["new"]) == (True, False)
    assert (first["service"], first["version"], first["id"]) == ("web", "1.2.0", second["id"])
    assert Path(first["folder"]).is_dir()


def test_the_list_has_a_line_for_each_the_newest_first(project: Project) -> None:
    ids = builds(project, 2)
    title, *rows = atoll(project.root, "releases", "web").stdout.splitlines()
    assert title.split()[:4] == ["SERVICE", "RELEASE", "VERSION", "COMMIT"]
    assert [row.split()[:3] for row in rows] == [["web", id_, "1.2.0"] for id_ in ids]
    listed = said(project.root, "releases")["releases"]
    assert [(one["id"], one["stable"], one["instances"], one["notes"]) for one in listed] == [
        (id_, False, 0, []) for id_ in ids
    ]


def test_without_releases_it_says_how_to_make_one(project: Project) -> None:
    assert "'atoll build web' makes one" in atoll(project.root, "releases").stdout


def test_pruning_keeps_the_newest_the_stable_one_and_those_of_a_rollout(project: Project) -> None:
    ids = builds(project, 5)
    data = project.root / ".atoll"
    (data / "state.json").write_text(json.dumps({"stable": {"web": ids[4]}}))
    (data / "rollouts").mkdir()
    rollout = {"number": 1, "service": "web", "release": ids[3], "stable": ids[4], "plan": {"strategy": "canary"}}
    journal = data / "rollouts" / "web.json"
    journal.write_text(json.dumps(rollout | {"began": 0, "phase": "stepping"}))
    assert said(project.root, "releases", "--prune", "--keep", "1")["removed"] == [ids[1], ids[2]]
    journal.write_text(json.dumps(rollout | {"began": 0, "phase": "rolled back", "reason": "too slow"}))
    listed = {one["id"]: one for one in said(project.root, "releases")["releases"]}
    assert (listed[ids[4]]["stable"], listed[ids[3]]["notes"]) == (True, ["rolled back: too slow"])
    pruned = atoll(project.root, "releases", "web", "--prune", "--keep", "0")
    assert [line.split()[2] for line in pruned.stdout.splitlines() if line.startswith("removed ")] == [ids[0], ids[3]]
    assert [one["id"] for one in said(project.root, "releases")["releases"]] == [ids[4]]


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("build", "wbe"), "there is no service 'wbe'; known are web"),
        (("releases", "wbe"), "there is no service 'wbe'; known are web"),
        (("releases", "--prune", "--keep", "-1"), "atoll releases: Invalid value for '--keep'"),
    ],
)
def test_a_wrong_word_is_one_line(project: Project, arguments: tuple[str, ...], line: str) -> None:
    done = atoll(project.root, *arguments)
    assert done.returncode in {1, 2}
    assert done.stderr.startswith(line)
    assert len(done.stderr.splitlines()) == 1


def test_a_build_that_fails_is_one_line_and_exit_code_1(project: Project) -> None:
    project.module.write_text("def (:\n")
    done = atoll(project.root, "build", "web")
    assert (done.returncode, done.stderr) == (1, "web/__init__.py:1: invalid syntax; correct the syntax\n")
    assert said(project.root, "releases")["releases"] == []
