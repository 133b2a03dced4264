"""Fixtures of events: one file for each version that was ever written, so that none becomes unreadable.

    events/order.created/v1.json            {"order_id": "...", "name": "Ada Lovelace"}
    events/order.created/v2.json
    events/order.created/v2-no-name.json    as many of a version as there are cases

A file holds the event's data as it was stored. A version's files stay for as long as an event of it may be stored or on its way.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import msgspec

from atoll.contracts import Error, Event, Upcaster, decoder_for_event
from atoll.contracts.codec import encode

_FILE = re.compile(r"^v(?P<version>[1-9][0-9]*)(?:-[a-z0-9-]+)?\.json$")


def check_event_fixtures(folder: Path, events: Iterable[type[Event]], upcasters: Iterable[Upcaster] = ()) -> int:
    """Reads every fixture as today's event; how many there are.

    AssertionError, with a line for each: a file that cannot be read, a version that has no file, a file of an unknown event.
    """
    steps = tuple(upcasters)
    kinds = {event.subject_: event for event in events}
    files = sorted(path for path in folder.glob("*/*") if path.is_file())
    wrong = [f"{path}: no event has the subject {path.parent.name}" for path in files if path.parent.name not in kinds]
    for subject, kind in kinds.items():
        wrong += _check(kind, [path for path in files if path.parent.name == subject], folder / subject, steps)
    if wrong:
        raise AssertionError("\n".join(wrong))
    return len(files)


def write_event_fixture(folder: Path, event: Event, name: str = "") -> Path:
    """Writes the event as a fixture of its version; an existing file stays as it is. name: what is special about it."""
    kind = type(event)
    path = folder / kind.subject_ / f"v{kind.version_}{'-' + name if name else ''}.json"
    if _FILE.match(path.name) is None:
        raise ValueError(f"{name!r} is no name for a fixture; use lower-case letters, digits and dashes")
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(encode(event), indent=2) + b"\n")
    return path


def _check(kind: type[Event], files: list[Path], folder: Path, upcasters: tuple[Upcaster, ...]) -> list[str]:
    decode = decoder_for_event(kind, upcasters)
    wrong: list[str] = []
    missing = set(range(1, kind.version_ + 1))
    for path in files:
        found = _FILE.match(path.name)
        if found is None:
            wrong.append(f"{path}: a fixture's name is like v1.json or v1-empty.json")
            continue
        version = int(found["version"])
        missing.discard(version)
        try:
            event = decode(path.read_bytes(), version)
            if decode(encode(event), kind.version_) != event:
                wrong.append(f"{path}: what it is read as does not read back as the same when it is written")
        except Error as error:
            wrong.append(f"{path}: {error.detail}")
    return wrong + [
        f"{folder}/v{version}.json is missing; keep an example of each version" for version in sorted(missing)
    ]
