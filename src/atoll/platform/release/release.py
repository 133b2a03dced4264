"""`Release`: one immutable build of a service, and how it is started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from atoll.system import Trouble

MANIFEST = "release.json"
LAUNCHER = "serve_asgi.py"  # brings its own health pages; needs uvicorn and nothing else


@dataclass(frozen=True, slots=True)
class Release:
    """One build on the shelf. Nothing in its folder changes any more.

    id: 12 hexadecimal digits of the hash of all that it is made of. version: of the service's package; "" of a foreign one.
    commit: the full hash that it was first built from; "" outside of git. dirty: whether what it is made of differed from
    that commit. built: when, UTC. serve, asgi, command: how it is started, as `Service` has them; exactly one is given.
    size: bytes of all its files (those of dependencies are shared with uv's cache where the file system can).
    packages: name -> version of what its environment holds; empty of a foreign one.
    """

    id: str
    service: str
    version: str
    commit: str
    built: datetime
    folder: Path
    dirty: bool = False
    serve: str = ""
    asgi: str = ""
    command: tuple[str, ...] = ()
    size: int = 0
    packages: Mapping[str, str] = field(default_factory=dict)

    @property
    def python(self) -> Path:
        """The interpreter of its own environment; a foreign release has none."""
        return self.folder / "environment" / "bin" / "python"

    @property
    def contract(self) -> Path:
        """A folder with openapi.json and asyncapi.json, each only if the service has such a side."""
        return self.folder / "contract"

    @property
    def migrations(self) -> Path:
        """A folder with the revisions of its own tables, as files of Alembic; empty if it has none."""
        return self.folder / "migrations"

    @property
    def source(self) -> Path:
        """Where its processes begin: a foreign one's copied folder, else an empty one (the code is in the environment)."""
        return self.folder / ("source" if self.command else "work")

    @property
    def argv(self) -> tuple[str, ...]:
        """How an instance is started."""
        if self.serve:
            return (str(self.python), "-m", "atoll", "serve", self.serve)
        if self.asgi:
            return (str(self.python), str(self.folder / LAUNCHER), self.asgi)
        return self.command

    @property
    def migrate_argv(self) -> tuple[str, ...]:
        """How its migrations are run; empty if it has none of Atoll's."""
        return (str(self.python), "-m", "atoll", "migrate", self.serve) if self.serve else ()

    @property
    def environment(self) -> dict[str, str]:
        """Variables that go before the user's own; "" takes one out, so that no code of the working tree is found."""
        path = os.environ.get("PATH", os.defpath)
        if self.command:
            code = self.source / "src" if (self.source / "src").is_dir() else self.source
            return {"PATH": path, "PYTHONPATH": str(code)}
        environment = self.folder / "environment"
        path = os.pathsep.join((str(environment / "bin"), path))
        return {"PATH": path, "VIRTUAL_ENV": str(environment), "PYTHONPATH": "", "PYTHONHOME": ""}

    def line(self) -> str:
        """For a person: ``orders 1a2b3c4d5e6f (0.2.0, commit 73958f0 with changes)``."""
        facts = [self.version] if self.version else []
        if self.commit:
            facts.append(f"commit {self.commit[:7]}{' with changes' if self.dirty else ''}")
        return f"{self.service} {self.id}" + (f" ({', '.join(facts)})" if facts else "")


def write_manifest(release: Release) -> bytes:
    """The release as release.json keeps it: all but where it lies."""
    facts = {name: value for name, value in _facts(release).items() if name != "folder"}
    return msgspec.json.format(msgspec.json.encode(facts), indent=2)


def read_manifest(folder: Path) -> Release:
    """The release in that folder; Trouble if its manifest cannot be understood."""
    file = folder / MANIFEST
    try:
        facts: dict[str, Any] = msgspec.json.decode(file.read_bytes(), type=dict[str, Any])
        release = msgspec.convert(facts | {"folder": folder}, Release, dec_hook=_path)
    except (OSError, msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise Trouble(f"{file} cannot be read ({error}); remove {folder} and build that release again") from None
    if (release.service, release.id) != (folder.parent.name, folder.name):
        raise Trouble(
            f"{file} is of {release.service} {release.id}, and lies where {folder.parent.name} {folder.name} should; "
            f"remove {folder} and build that release again"
        )
    return release


def _facts(release: Release) -> dict[str, Any]:
    return {name: getattr(release, name) for name in Release.__dataclass_fields__}


def _path(kind: type, value: Any) -> Any:
    return kind(value)
