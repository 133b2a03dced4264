"""What became of a release: lines that rollouts leave beside it, and `atoll releases` shows."""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

import msgspec

from atoll.platform.release.disk import full_disk
from atoll.platform.release.release import Release


class Note(msgspec.Struct, frozen=True):
    """One thing that happened to a release. text: one line. facts: what was measured or decided, for machines."""

    at: datetime
    text: str
    facts: dict[str, Any] = {}


def take_note(release: Release, text: str, **facts: Any) -> Note:
    """Write a note beside the release; it is on the disk when this returns. Trouble if the disk is full."""
    note = Note(datetime.now(UTC), " ".join(text.split()), facts)
    with full_disk(release.notes), release.notes.open("ab") as out:
        out.write(msgspec.json.encode(note) + b"\n")
        out.flush()
        os.fsync(out.fileno())
    return note


def read_notes(release: Release) -> tuple[Note, ...]:
    """Its notes, the oldest first. A last line that a power cut left half is passed over."""
    if not release.notes.exists():
        return ()
    whole = release.notes.read_bytes().rpartition(b"\n")[0]
    return tuple(msgspec.json.decode(line, type=Note) for line in whole.splitlines())
