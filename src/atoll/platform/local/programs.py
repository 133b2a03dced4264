"""How an instance of a release is started: from the working tree, or from a release on the shelf."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from atoll.platform.release import Shelf
from atoll.system import Service, Trouble

TREE = "dev"  # the release that is the working tree, as it is at the moment


@dataclass(frozen=True, slots=True)
class Program:
    """One release's way to run.

    migrate: the command that brings its database along; empty if it has none. folder: where the process begins.
    environment: goes before the user's own variables; "" takes one out. contract: folder of its documents, if it has any.
    """

    release: str
    argv: tuple[str, ...]
    migrate: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    contract: Path | None = None


class Programs(Protocol):
    """Knows how releases are started."""

    def of(self, service: Service, release: str) -> Program:
        """Trouble, in one line, if there is no such release."""


class TreePrograms:
    """Knows the working tree alone. root: folder of system.py."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def of(self, service: Service, release: str) -> Program:
        """The code beside system.py, in the environment of the platform itself."""
        if release != TREE:
            raise Trouble(
                f"{service.name}: there is no release {release!r}; 'atoll releases {service.name}' lists them"
            )
        source = self.root / service.source
        path = {"PATH": os.pathsep.join((str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)))}
        imports = {"PYTHONPATH": import_path(self.root, service, os.environ.get("PYTHONPATH", ""))}
        return Program(
            TREE, argv(service, sys.executable), migrate_argv(service, sys.executable), source, path | imports
        )


def argv(service: Service, python: str) -> tuple[str, ...]:
    """How an instance is started with that interpreter."""
    if service.serve:
        return (python, "-m", "atoll", "serve", service.serve)
    if service.asgi:
        return (python, "-m", "atoll.platform.local.uvicorn", service.asgi)
    return service.command


def migrate_argv(service: Service, python: str) -> tuple[str, ...]:
    """How its migrations are run; empty for a service that has none of Atoll's."""
    return (python, "-m", "atoll", "migrate", service.serve) if service.serve and service.database else ()


def import_path(root: Path, service: Service, inherited: str) -> str:
    """PYTHONPATH of a service: its code, the folder of system.py, and what was there before."""
    source = root / service.source
    code = source / "src" if (source / "src").is_dir() else source
    return os.pathsep.join(dict.fromkeys(part for part in (str(code), str(root), inherited) if part))


class ShelfPrograms:
    """Knows the working tree and the releases on the shelf. root: folder of system.py."""

    def __init__(self, root: Path, shelf: Shelf) -> None:
        self._tree = TreePrograms(root)
        self._shelf = shelf

    def of(self, service: Service, release: str) -> Program:
        """A release runs its own code alone, whatever the working tree has."""
        if release == TREE:
            return self._tree.of(service, release)
        found = self._shelf.get(service.name, release)
        migrate = found.migrate_argv if service.database else ()
        return Program(found.id, found.argv, migrate, found.source, found.environment, found.contract)
