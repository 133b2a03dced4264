"""Small services to build: a package with its lock, made without a network."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from zipfile import ZipFile

from atoll.platform.release import Release, Shelf
from atoll.platform.release.build import build
from atoll.system import Service, System

REPOSITORY = Path(__file__).parents[3]
_UV = str(Path(sys.executable).with_name("uv"))
_PROJECT = """
[project]
name = "web"
version = "1.2.0"
requires-python = ">=3.11"
dependencies = {dependencies}

[tool.uv]
find-links = ["index"]
{sources}
[build-system]
requires = ["uv_build>=0.13,<0.14"]
build-backend = "uv_build"
"""
_APPLICATION = """
import shout

async def application(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": shout.VERSION.encode()})
"""
_SERVICE = """
import shout
from atoll.contracts import PUBLIC, Api, Input, Message, Operation
from atoll.service import Service, implements

class Ask(Input):
    pass

class Said(Message):
    version: str

class Web(Api):
    said = Operation("GET /said", Ask, Said, access=PUBLIC)

@implements(Web.said)
async def said(ask: Ask) -> Said:
    return Said(version=shout.VERSION)

service = Service("web", handlers=[said], version="1.2.0")
"""


@dataclass
class Project:
    """A system with one service, ``web``, in a folder; it needs the package ``shout``, of which there are two versions."""

    root: Path
    service: Service

    @property
    def source(self) -> Path:
        return self.root / "web"

    @property
    def module(self) -> Path:
        return self.source / "src" / "web" / "__init__.py"

    @property
    def shelf(self) -> Shelf:
        return Shelf.beside(self.root / "system.py")

    def needs(self, *dependencies: str) -> None:
        """Write pyproject.toml with these, and lock them."""
        from_here = any(one.startswith("atoll") for one in dependencies)
        sources = f'[tool.uv.sources]\natoll = {{ path = "{REPOSITORY}" }}\n' if from_here else ""
        text = _PROJECT.format(dependencies=list(dependencies), sources=sources)
        (self.source / "pyproject.toml").write_text(text, "utf-8")
        lock(self.source)

    async def build(self, told: list[str] | None = None) -> Release:
        system, lines = System("small", services=(self.service,)), [] if told is None else told
        return await build(system, self.root, self.service, self.shelf, lines.append)

    def on_the_shelf(self) -> set[str]:
        """All that lies there, hidden or not, without the lock."""
        here = self.shelf.folder / "web"
        return {path.name for path in here.iterdir()} - {".lock"} if here.exists() else set()


def asgi_project(root: Path) -> Project:
    """An ASGI application, which is quick to build."""
    project = _project(root, Service("web", asgi="web:application", source="web"), _APPLICATION)
    project.needs("uvicorn", "shout==1.0")
    return project


def atoll_project(root: Path) -> Project:
    """A service of Atoll's."""
    project = _project(root, Service("web", serve="web:service", source="web"), _SERVICE)
    project.needs("atoll", "shout==1.0")
    return project


def _project(root: Path, service: Service, code: str) -> Project:
    project = Project(root, service)
    project.module.parent.mkdir(parents=True)
    project.module.write_text(code, "utf-8")
    (project.source / "index").mkdir()
    for version in ("1.0", "2.0"):
        shout(project.source / "index", version)
    name = "serve" if service.serve else "asgi"
    declared = f'Service("web", {name}={service.serve or service.asgi!r}, source="web")'
    text = f'from atoll.system import Service, System\nsystem = System("small", services=({declared},))\n'
    (root / "system.py").write_text(text, "utf-8")
    return project


def shout(index: Path, version: str) -> None:
    """A wheel with one module that knows its version."""
    about = f"shout-{version}.dist-info"
    with ZipFile(index / f"shout-{version}-py3-none-any.whl", "w") as wheel:
        wheel.writestr("shout.py", f'VERSION = "{version}"\n')
        wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: shout\nVersion: {version}\n")
        wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        wheel.writestr(f"{about}/RECORD", "")


def lock(source: Path) -> None:
    """From uv's cache if that has all of it, else with the network."""
    for how in (["--offline"], []):
        done = subprocess.run([_UV, "lock", *how], cwd=source, capture_output=True, check=False)
        if done.returncode == 0:
            return
    raise AssertionError("uv could not lock it")
