from __future__ import annotations

import asyncio
import os
from pathlib import Path

import pytest
from tests.platform.release.projects import Project

from atoll.platform.release import Release
from atoll.system import Service, Trouble


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A program in another language."""
    source = tmp_path / "web"
    (source / "node_modules").mkdir(parents=True)
    (source / "node_modules" / "more.sh").write_text("echo more")
    (source / "run").write_text("#!/bin/sh\n. ./node_modules/more.sh\n")
    (source / "run").chmod(0o755)
    (source / "openapi.json").write_text('{"openapi": "3.1.0"}')
    (source / ".git").mkdir()
    return Project(tmp_path, Service("web", command=("./run",), source="web"))


async def output(release: Release) -> str:
    where, variables = release.source, os.environ | release.environment
    process = await asyncio.create_subprocess_exec(
        *release.argv, cwd=where, env=variables, stdout=asyncio.subprocess.PIPE
    )
    return (await process.communicate())[0].decode()


async def test_a_release_is_a_copy_of_the_folder_and_the_command(project: Project) -> None:
    release = await project.build()
    (project.source / "node_modules" / "more.sh").write_text("echo changed")
    assert await output(release) == "more\n"
    assert not (release.source / ".git").exists()
    assert (release.contract / "openapi.json").exists()
    assert release.migrate_argv == ()


async def test_its_name_is_of_content_command_and_mode(project: Project) -> None:
    first = await project.build()
    assert (await project.build()).id == first.id
    (project.source / "run").chmod(0o644)
    second = await project.build()
    (project.source / "node_modules" / "more.sh").write_text("echo changed")
    third = await project.build()
    project.service = Service("web", command=("./run", "fast"), source="web")
    assert len({first.id, second.id, third.id, (await project.build()).id}) == 4


@pytest.mark.parametrize("target", ["/etc/hosts", "../outside", "node_modules/../../outside"])
async def test_a_link_that_leads_out_is_refused(project: Project, target: str) -> None:
    (project.source / "link").symlink_to(target)
    with pytest.raises(Trouble, match=r"link leads out of .*/web"):
        await project.build()
    assert project.on_the_shelf() == set()


async def test_a_link_inside_stays_one(project: Project) -> None:
    (project.source / "node_modules" / "again").symlink_to("more.sh")
    release = await project.build()
    assert (release.source / "node_modules" / "again").readlink() == Path("more.sh")


async def test_what_is_no_file_is_refused(project: Project) -> None:
    os.mkfifo(project.source / "pipe")
    with pytest.raises(Trouble, match=r"pipe.* cannot be copied"):
        await project.build()


async def test_without_a_folder_of_its_own_there_is_nothing_to_make_a_release_of(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match="web has no folder of its own"):
        await Project(tmp_path, Service("web", command=("true",))).build()
