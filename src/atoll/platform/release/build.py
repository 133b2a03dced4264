"""`build`: from the working tree to a release on the shelf."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from atoll.platform.release.asking import ask, write_documents
from atoll.platform.release.git import commit_of, sources_of
from atoll.platform.release.release import LAUNCHER, Release
from atoll.platform.release.shelf import Shelf
from atoll.platform.release.snapshot import copy_folder
from atoll.platform.release.uv import Locked, build_wheel, make_environment, read_lock
from atoll.platform.release.wheels import content_of, require_compiled, version_of
from atoll.system import Service, System, Trouble

Tell = Callable[[str], None]
_ASGI_LAUNCHER = Path(__file__).parents[1] / "local" / "uvicorn.py"  # a file of its own that needs uvicorn alone


async def build(system: System, root: Path, service: Service, shelf: Shelf, tell: Tell) -> Release:
    """The release of the service's code as it is now; the one on the shelf if there is one of that content already.

    root: folder of system.py. tell: takes a line at each step. Trouble, in one line, for whatever prevents it; the shelf is then
    as it was before, and it is so too when this is cancelled or killed at any point.
    """
    source = _source_of(root, service)
    with shelf.bench(service.name) as folder:
        for name in ("contract", "migrations", "work", "wheels"):
            (folder / name).mkdir()
        draft = Release(
            "", service.name, "", "", datetime.now(UTC), folder,
            serve=service.serve, asgi=service.asgi, command=tuple(service.command),
        )  # fmt: skip
        work = _Foreign(source) if service.command else _Package(source)
        draft = await work.identify(draft, tell)
        if found := shelf.find(service.name, draft.id):
            tell(f"{found.line()} is on the shelf already; nothing has changed since")
            return found
        draft = await work.finish(draft, service, system.name, tell)
        return shelf.put(replace(draft, size=_size_of(folder)))


class _Package:
    """A Python package: wheels, and an environment with what its lock pins."""

    def __init__(self, source: Path) -> None:
        self._source = source
        self._wheels: list[Path] = []
        self._requirements = ""

    async def identify(self, draft: Release, tell: Tell) -> Release:
        """Lock and wheels are all that makes the content; both are cheap, so it is known early whether there is more to do."""
        locked = await read_lock(self._source)
        tell(f"its wheel{'s' if len(locked.packages) > 1 else ''}")
        if self._source not in locked.packages:
            raise Trouble(
                f"{self._source / 'pyproject.toml'}: it is no package, for there is no [build-system] in it; "
                'add one, such as requires = ["uv_build"] and build-backend = "uv_build"'
            )
        self._requirements = locked.requirements
        self._wheels = await _build_wheels(locked, draft.folder / "wheels")
        (draft.folder / "requirements.txt").write_text(f"{locked.requirements}\n", "utf-8")
        own = self._wheels[locked.packages.index(self._source)]
        made_of = [path for package in locked.packages for path in sources_of(package)]
        commit, dirty = await commit_of(self._source, made_of)
        return replace(
            draft, id=_id_of(draft, locked, self._wheels), version=version_of(own), commit=commit, dirty=dirty
        )

    async def finish(self, draft: Release, service: Service, system: str, tell: Tell) -> Release:
        """The environment, and what its code says in it."""
        tell("its environment")
        await make_environment(draft.folder / "environment", self._source, self._wheels)
        if (await read_lock(self._source)).requirements != self._requirements:
            raise Trouble(f"{self._source}: its lock was changed while it was being built; build again")
        site = next((draft.folder / "environment" / "lib").glob("python*/site-packages"))
        for wheel in self._wheels:
            require_compiled(wheel, site)
        packages = {one.metadata["Name"]: one.version for one in distributions(path=[str(site)])}
        if draft.serve:
            tell("its contract and migrations")
            told = await ask(draft, service, system)
            write_documents(told, draft.contract)
            _copy_revisions(told.migrations, draft.migrations)
        else:
            _bring_launcher(draft, packages, self._source)
            _copy_documents(self._source, draft.contract)
        return replace(draft, packages=dict(sorted(packages.items())))


class _Foreign:
    """A program in any language: its folder as it is, and the command."""

    def __init__(self, source: Path) -> None:
        self._source = source

    async def identify(self, draft: Release, tell: Tell) -> Release:
        tell(f"a copy of {self._source}")
        content = await asyncio.to_thread(copy_folder, self._source, draft.folder / "source")
        commit, dirty = await commit_of(self._source, (self._source,))
        return replace(draft, id=_hash({"command": draft.command, "content": content}), commit=commit, dirty=dirty)

    async def finish(self, draft: Release, *_: object) -> Release:
        _copy_documents(self._source, draft.contract)
        return draft


def _source_of(root: Path, service: Service) -> Path:
    source = (root / service.source).resolve()
    if not source.is_dir():
        raise Trouble(f"{service.place}: {service.name}: there is no folder {source}; correct source=")
    if service.command and source == root.resolve():
        raise Trouble(
            f"{service.place}: {service.name} has no folder of its own, so there is nothing to make a release of; "
            f"move its program into one, and name it: source={service.name!r}"
        )
    return source


async def _build_wheels(locked: Locked, to: Path) -> list[Path]:
    """All at the same time, each into a folder of its own at first."""
    folders = [to / str(number) for number in range(len(locked.packages))]
    for folder in folders:
        folder.mkdir()
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [
                group.create_task(build_wheel(package, folder))
                for package, folder in zip(locked.packages, folders, strict=True)
            ]
    except ExceptionGroup as failed:
        raise failed.exceptions[0] from None
    wheels = [wheel.rename(to / wheel.name) for wheel in (task.result() for task in tasks)]
    for folder in folders:
        folder.rmdir()
    return wheels


def _id_of(draft: Release, locked: Locked, wheels: list[Path]) -> str:
    return _hash(
        {
            "serve": draft.serve,
            "asgi": draft.asgi,
            "python": f"{sys.implementation.cache_tag} {sys.platform} {platform.machine()}",
            "requirements": locked.requirements,
            "wheels": sorted((wheel.name, content_of(wheel)) for wheel in wheels),
        }
    )


def _hash(content: object) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()[:12]


def _copy_revisions(folder: str, to: Path) -> None:
    """The files of the revisions alone, without bytecode."""
    if folder:
        shutil.copytree(folder, to, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))


def _copy_documents(source: Path, contract: Path) -> None:
    """A service that Atoll cannot ask may bring its documents along."""
    for name in ("openapi.json", "asyncapi.json"):
        if (source / name).is_file():
            shutil.copyfile(source / name, contract / name)


def _bring_launcher(draft: Release, packages: dict[str, str], source: Path) -> None:
    if "uvicorn" not in packages:
        raise Trouble(
            f"{source}: an ASGI application is served by uvicorn, which it does not need: run 'uv add uvicorn' there"
        )
    shutil.copyfile(_ASGI_LAUNCHER, draft.folder / LAUNCHER)


def _size_of(folder: Path) -> int:
    return sum(path.lstat().st_size for path in _files(folder))


def _files(folder: Path) -> Iterator[Path]:
    for where, _, names in os.walk(folder):
        yield from (Path(where, name) for name in names)
