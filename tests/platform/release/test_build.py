from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tests.platform.release.projects import Project, asgi_project, lock

from atoll.platform.release import uv
from atoll.system import Service, Trouble


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return asgi_project(tmp_path)


async def test_a_release_has_what_it_takes_to_run(project: Project) -> None:
    release = await project.build()
    assert project.on_the_shelf() == {release.id}
    assert (release.service, release.version, release.packages["shout"]) == ("web", "1.2.0", "1.0")
    assert release.python.exists()
    assert release.size > 100_000
    assert [path.name for path in (release.folder / "wheels").iterdir()] == ["web-1.2.0-py3-none-any.whl"]
    assert "shout==1.0" in (release.folder / "requirements.txt").read_text()


async def test_the_same_content_is_the_same_release_and_nothing_is_done(project: Project) -> None:
    first = await project.build()
    for path in (project.module, project.source / "pyproject.toml"):
        os.utime(path, (1_000_000_000, 1_000_000_000))
    told: list[str] = []
    assert await project.build(told) == first
    assert told[-1].startswith(f"web {first.id} (1.2.0")
    assert told[-1].endswith("is on the shelf already; nothing has changed since")


async def test_another_line_of_code_or_another_dependency_is_another_release(project: Project) -> None:
    first = await project.build()
    project.module.write_text(f"{project.module.read_text()}\nMORE = 1\n")
    second = await project.build()
    project.needs("uvicorn", "shout==2.0")
    third = await project.build()
    assert len({first.id, second.id, third.id}) == 3
    assert [one.id for one in project.shelf.all("web")] == [third.id, second.id, first.id]
    assert third.packages["shout"] == "2.0"


async def test_the_commit_is_named_and_whether_files_differ_from_it(project: Project) -> None:
    def git(*arguments: str) -> str:
        said = ("-c", "user.name=x", "-c", "user.email=x@example.com")
        return subprocess.run(
            ("git", *said, *arguments), cwd=project.root, check=True, capture_output=True, text=True
        ).stdout

    assert (await project.build()).commit == ""
    (project.root / ".gitignore").write_text(".atoll/\n")
    git("init", "-q")
    git("add", ".")
    git("commit", "-qm", "all")
    project.module.write_text(f"{project.module.read_text()}\nMORE = 1\n")
    changed = await project.build()
    assert (changed.commit, changed.dirty) == (git("rev-parse", "HEAD").strip(), True)
    project.module.write_text(f"{project.module.read_text()}\nMORE = 2\n")
    git("commit", "-qam", "more")
    (project.root / "README.md").write_text("not part of it")
    committed = await project.build()
    assert (committed.commit, committed.dirty) == (git("rev-parse", "HEAD").strip(), False)


def broken_toml(project: Project) -> None:
    (project.source / "pyproject.toml").write_text("[project\n")


def no_lock(project: Project) -> None:
    (project.source / "uv.lock").unlink()


def no_project(project: Project) -> None:
    (project.source / "pyproject.toml").unlink()


def lock_does_not_fit(project: Project) -> None:
    file = project.source / "pyproject.toml"
    file.write_text(file.read_text().replace("shout==1.0", "shout==2.0"))


def damaged_lock(project: Project) -> None:
    (project.source / "uv.lock").write_text("version = \n")


def syntax_error(project: Project) -> None:
    (project.module.parent / "more.py").write_text("def more(:\n")


def null_bytes(project: Project) -> None:
    (project.module.parent / "more.py").write_text("a\0b")


def no_build_system(project: Project) -> None:
    file = project.source / "pyproject.toml"
    file.write_text(file.read_text().partition("[build-system]")[0])
    lock(project.source)


def no_module(project: Project) -> None:
    project.module.unlink()


def no_uvicorn(project: Project) -> None:
    project.needs("shout==1.0")


def dependency_is_gone(project: Project) -> None:
    for wheel in (project.source / "index").iterdir():
        wheel.unlink()


def no_folder(project: Project) -> None:
    project.source.rename(project.root / "elsewhere")


Mistake = Callable[[Project], None]
MISTAKES: dict[Mistake, str] = {
    broken_toml: "unclosed table",
    no_lock: "there is no uv.lock, so its dependencies are not fixed; run 'uv lock' in that folder",
    no_project: "there is no pyproject.toml; a release is made of a package",
    lock_does_not_fit: "uv.lock does not fit pyproject.toml; run 'uv lock' there",
    damaged_lock: "run 'uv lock' to make it anew",
    syntax_error: "web/more.py:1: .*; correct the syntax",
    null_bytes: "web/more.py",
    no_build_system: "it is no package, for there is no .build-system. in it",
    no_module: "Expected a Python module at",
    no_uvicorn: "run 'uv add uvicorn' there",
    dependency_is_gone: "shout",
    no_folder: "there is no folder .*/web; correct source=",
}


@pytest.mark.parametrize("mistake", MISTAKES, ids=lambda mistake: mistake.__name__)
async def test_a_build_that_fails_is_one_line_and_leaves_nothing(project: Project, mistake: Mistake) -> None:
    mistake(project)
    with pytest.raises(Trouble, match=MISTAKES[mistake]) as refused:
        await project.build()
    assert len(str(refused.value)) < 700
    assert project.on_the_shelf() == set()


async def test_earlier_releases_are_untouched_by_a_build_that_fails(project: Project) -> None:
    before = await project.build()
    syntax_error(project)
    with pytest.raises(Trouble, match="correct the syntax"):
        await project.build()
    assert project.on_the_shelf() == {before.id}
    assert project.shelf.all("web") == (before,)


async def test_a_lock_that_changes_meanwhile_is_refused(project: Project) -> None:
    class Steps(list[str]):
        def append(self, line: str) -> None:
            if line == "its environment":
                project.needs("uvicorn", "shout==2.0")

    with pytest.raises(Trouble, match="its lock was changed while it was being built; build again"):
        await project.build(Steps())
    assert project.on_the_shelf() == set()


async def test_a_build_that_is_cancelled_leaves_nothing(project: Project) -> None:
    reached = asyncio.Event()

    class Steps(list[str]):
        def append(self, line: str) -> None:
            if line == "its environment":
                reached.set()

    task = asyncio.create_task(project.build(Steps()))
    await reached.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert project.on_the_shelf() == set()
    assert (await project.build()).python.exists()


def test_a_build_that_is_killed_leaves_no_release_and_later_ones_clear_up(project: Project) -> None:
    command = (sys.executable, "-u", "-m", "atoll", "build", "web")
    with subprocess.Popen(command, cwd=project.root, stdout=subprocess.PIPE, text=True) as build:
        assert build.stdout is not None
        for line in build.stdout:
            if "its environment" in line:
                break
        build.kill()
    (left,) = project.on_the_shelf()
    assert left.startswith(".unfinished-")
    assert project.shelf.all("web") == ()
    release = asyncio.run(project.build())
    assert project.shelf.all("web") == (release,)
    while project.on_the_shelf() != {release.id}:  # the killed one's uv may have gone on writing for a moment
        asyncio.run(project.build())


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / ".atoll"
    folder.mkdir()
    mount = ("mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(folder))
    try:
        done = subprocess.run(mount, capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("there is no mount")
    if done.returncode:
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(("umount", str(folder)), check=True)


async def test_a_full_disk_is_one_line_and_leaves_nothing(project: Project, small_disk: Path) -> None:
    with pytest.raises(Trouble, match="no space left on the disk; free some and build again"):
        await project.build()
    assert project.on_the_shelf() == set()


async def test_that_uv_found_the_disk_full_is_said_the_same(
    project: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "full"
    program.write_text("#!/bin/sh\necho 'error: No space left on device (os error 28)' >&2\nexit 2\n")
    program.chmod(0o755)
    monkeypatch.setattr(uv, "_program", lambda: str(program))
    with pytest.raises(Trouble, match="no space left on the disk"):
        await project.build()


async def test_without_uv_it_is_said_how_to_get_it(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(Trouble, match=r"uv is not installed, .* pip install uv"):
        await project.build()


async def test_a_service_without_a_package_is_refused(tmp_path: Path) -> None:
    (tmp_path / "web").mkdir()
    with pytest.raises(Trouble, match=r"there is no pyproject\.toml"):
        await Project(tmp_path, Service("web", serve="web:service", source="web")).build()
