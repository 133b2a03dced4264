"""The journal on disk: one file a service for its latest rollout, and the earlier ones beside it."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Protocol

import msgspec

from atoll.platform.rollout.possible import impossible
from atoll.platform.rollout.records import Rollout
from atoll.system import Trouble

KEPT = 100  # earlier rollouts a service


class Journal(Protocol):
    """Where rollouts are written down. Each method raises Trouble, in one line, when the disk does not take it."""

    def save(self, rollout: Rollout) -> None:
        """As it stands; on the disk when this returns."""

    def latest(self, service: str) -> Rollout | None:
        """The one that runs, or ran last. Trouble if it cannot be read, or is no rollout that could ever have been."""

    def services(self) -> tuple[str, ...]:
        """Those that had a rollout."""

    def earlier(self, service: str) -> tuple[Rollout, ...]:
        """All but the latest, newest first; without those that cannot be read."""

    def damaged(self, service: str) -> tuple[str, ...]:
        """What of all but the latest cannot be read: one line each, with what to do."""


def readable(journal: Journal, service: str) -> Iterator[Rollout]:
    """All that can be read of a service's, newest first; the earlier ones only if they are asked for."""
    with suppress(Trouble):
        if (latest := journal.latest(service)) is not None:
            yield latest
    yield from journal.earlier(service)


def unreadable(journal: Journal, service: str) -> Iterator[str]:
    """A line for each that cannot be read, with what to do."""
    try:
        journal.latest(service)
    except Trouble as trouble:
        yield str(trouble)
    yield from journal.damaged(service)


class FolderJournal:
    """``<folder>/<service>.json`` and ``<folder>/<service>/<number>.json``. A file is replaced at once, after fsync."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._written: dict[str, int] = {}

    def save(self, rollout: Rollout) -> None:
        path = self._path(rollout.service)
        with said(path):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            if self._written.get(rollout.service) != rollout.number:
                self._make_room(path, rollout)
            _replace(path, msgspec.json.encode(rollout))
            self._written[rollout.service] = rollout.number

    def latest(self, service: str) -> Rollout | None:
        return _read(self._path(service), service)

    def services(self) -> tuple[str, ...]:
        return tuple(sorted(path.stem for path in self._folder.glob("*.json")))

    def earlier(self, service: str) -> tuple[Rollout, ...]:
        return tuple(one for one in self._earlier(service) if isinstance(one, Rollout))

    def damaged(self, service: str) -> tuple[str, ...]:
        return tuple(str(one) for one in self._earlier(service) if isinstance(one, Trouble))

    def _earlier(self, service: str) -> list[Rollout | Trouble | None]:
        return [_read_or_trouble(path, service) for path in reversed(_by_number(self._folder / service))]

    def _path(self, service: str) -> Path:
        return self._folder / f"{service}.json"

    def _make_room(self, path: Path, rollout: Rollout) -> None:
        known = self.latest(rollout.service)
        if known is not None and known.number != rollout.number:
            self._set_aside(path, known)

    def _set_aside(self, path: Path, known: Rollout) -> None:
        shelf = self._folder / known.service
        shelf.mkdir(mode=0o700, exist_ok=True)
        path.replace(shelf / f"{known.number}.json")
        for old in _by_number(shelf)[:-KEPT]:
            old.unlink(missing_ok=True)


def _by_number(folder: Path) -> list[Path]:
    return sorted((path for path in folder.glob("*.json") if path.stem.isdigit()), key=lambda path: int(path.stem))


def _read(path: Path, service: str) -> Rollout | None:
    """None if there is no such file. Trouble, in one line, for what cannot be read or cannot be."""
    try:
        rollout = msgspec.json.decode(path.read_bytes(), type=Rollout)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise _useless(path, "cannot be read", error.strerror or str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _useless(path, "is damaged", str(error)) from None
    if why := impossible(rollout, service):
        raise _useless(path, "is damaged", why)
    return rollout


def _read_or_trouble(path: Path, service: str) -> Rollout | Trouble | None:
    try:
        return _read(path, service)
    except Trouble as trouble:
        return trouble


def _useless(path: Path, what: str, why: str) -> Trouble:
    return Trouble(f"{path} {what} ({why}); remove it (the stable release is untouched)")


def _replace(path: Path, content: bytes) -> None:
    """The old or the new content is there, whatever happens; the folder is synced too, so that the new name lasts."""
    temporary = path.with_suffix(".new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@contextmanager
def said(path: Path) -> Iterator[None]:
    """A disk that does not take it, in one line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Trouble(
                f"{path}: no space left on the disk, so nothing is rolled out; free some and try again"
            ) from None
        raise Trouble(f"{path}: {error.strerror or error}, so nothing is rolled out") from None
