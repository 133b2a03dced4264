"""`Shelf`: the folder ``.atoll/releases``, where each release lies whole or not at all."""

from __future__ import annotations

import fcntl
import os
import re
import shutil
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import mkdtemp

from atoll.platform.release.disk import full_disk
from atoll.platform.release.release import MANIFEST, Release, read_manifest, write_manifest
from atoll.system import Trouble

_ID = re.compile(r"[0-9a-f]{12}")
_UNFINISHED = ".unfinished-"  # a build that goes on, or that was killed
_LOCK = ".lock"
SHORTEST = 4  # characters of an id that a person may give: fewer may be a slip, and mean any release


class Shelf:
    """All releases of a system. folder: ``.atoll/releases``; made when the first release is put on it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, system_file: Path) -> Shelf:
        """The shelf of the system in that file."""
        return cls(system_file.parent / ".atoll" / "releases")

    def all(self, service: str) -> tuple[Release, ...]:
        """The releases of a service that can be read, the newest first."""
        found = [one for one in self._read(service).values() if isinstance(one, Release)]
        return tuple(sorted(found, key=lambda release: release.built, reverse=True))

    def damaged(self, service: str) -> dict[str, str]:
        """The others, by their ids: why, and what to do."""
        return {id_: str(one) for id_, one in self._read(service).items() if isinstance(one, Trouble)}

    def get(self, service: str, id_or_prefix: str) -> Release:
        """The release whose id is or begins so; Trouble if there is none, or more than one.

        A whole id is found also where another release of the service is damaged.
        """
        if _ID.fullmatch(id_or_prefix) and (exact := self.find(service, id_or_prefix)) is not None:
            return exact
        if len(id_or_prefix) < SHORTEST:
            number = "; rollouts have numbers, releases have ids" if id_or_prefix.isdigit() else ""
            raise Trouble(
                f"{service}: {id_or_prefix!r} may be anything; give at least {SHORTEST} characters of the release's id{number}"
            )
        found = [release for release in self.all(service) if release.id.startswith(id_or_prefix)]
        if not found and (
            hurt := [why for name, why in self.damaged(service).items() if name.startswith(id_or_prefix)]
        ):
            raise Trouble(hurt[0])
        if not found:
            raise Trouble(
                f"{service}: there is no release {id_or_prefix!r}; "
                f"'atoll releases {service}' lists them, 'atoll build {service}' makes one"
            )
        if len(found) > 1:
            raise Trouble(
                f"{service}: {id_or_prefix!r} may be {', '.join(one.id for one in found)}; give more of the id"
            )
        return found[0]

    def find(self, service: str, id_: str) -> Release | None:
        """The release of exactly that id, if it is there."""
        folder = self.folder / service / id_
        return read_manifest(folder) if folder.is_dir() else None

    @contextmanager
    def bench(self, service: str) -> Iterator[Path]:
        """An empty folder for one build, removed afterwards unless `put` took it. One build of a service at a time.

        What builds that were killed left behind is removed first.
        """
        here = self.folder / service
        with full_disk(self.folder):
            self._make(here)
            with _locked(here):
                _sweep(here)
                made = Path(mkdtemp(prefix=_UNFINISHED, dir=here))
                try:
                    yield made
                finally:
                    shutil.rmtree(made, ignore_errors=True)

    def put(self, release: Release) -> Release:
        """Put what was built in ``release.folder`` (of `bench`) on the shelf, at once; the release in its final place."""
        _write(release.folder / MANIFEST, write_manifest(release))
        final = self.folder / release.service / release.id
        release.folder.rename(final)
        return replace(release, folder=final)

    def prune(self, service: str, keep: int, in_use: Collection[str]) -> tuple[Release, ...]:
        """Remove all but the newest ``keep`` and those in use (ids); the removed ones."""
        leaving = tuple(release for release in self.all(service)[keep:] if release.id not in in_use)
        if leaving:
            with _locked(self.folder / service):
                for release in leaving:
                    self._remove(release)
        return leaving

    def _read(self, service: str) -> dict[str, Release | Trouble]:
        here = self.folder / service
        folders = [path for path in here.iterdir() if _ID.fullmatch(path.name)] if here.is_dir() else []
        return {path.name: _manifest(path) for path in folders}

    def _remove(self, release: Release) -> None:
        """Out of sight at once, so that nobody finds a half of it."""
        aside = release.folder.with_name(f"{_UNFINISHED}{release.id}")
        release.folder.rename(aside)
        shutil.rmtree(aside)

    def _make(self, here: Path) -> None:
        data = self.folder.parent
        data.mkdir(mode=0o700, exist_ok=True)
        (data / ".gitignore").write_text("*\n", "utf-8")
        here.mkdir(parents=True, exist_ok=True)


def _manifest(folder: Path) -> Release | Trouble:
    try:
        return read_manifest(folder)
    except Trouble as trouble:
        return trouble


@contextmanager
def _locked(here: Path) -> Iterator[None]:
    """Hold the service's part of the shelf; the kernel frees it if we die."""
    handle = os.open(here / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise Trouble(f"{here.name} is being built or pruned by another command; wait until it is done") from None
        yield
    finally:
        os.close(handle)


def _sweep(here: Path) -> None:
    """As far as it goes: a program that a killed build had started may still write for a moment; a later build removes that."""
    for left in here.glob(f"{_UNFINISHED}*"):
        shutil.rmtree(left, ignore_errors=True)


def _write(file: Path, content: bytes) -> None:
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
