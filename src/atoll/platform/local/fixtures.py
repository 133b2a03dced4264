"""The examples of events that are kept beside the code, ``tests/events/<subject>/v<version>.json``, read by a service's code."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from atoll.platform.local.asking import ask
from atoll.system import Service, System

FOLDERS = ("tests/events", "*/tests/events")  # from the folder of system.py
_FILE = re.compile(r"^v(?P<version>[1-9][0-9]*)(?:-[a-z0-9-]+)?\.json$")


def read_fixtures(system: System, root: Path, service: Service) -> tuple[int, tuple[str, ...]]:
    """How many were read, and one line for each that could not be. Trouble if the code cannot be asked."""
    found = list(_fixtures(root))
    if not found or not service.serve or not service.events:
        return 0, ()
    body = json.dumps(found).encode()
    told: dict[str, Any] = json.loads(ask(system, root, service, "--read", body=body).splitlines()[-1])
    lines = (f"a stored event would break {service.name}: {line}" for line in told["unread"])
    return told["read"], tuple(lines)


def _fixtures(root: Path) -> Iterator[dict[str, Any]]:
    for pattern in FOLDERS:
        for path in sorted(root.glob(f"{pattern}/*/*.json")):
            if (name := _FILE.match(path.name)) is not None:
                yield {
                    "file": path.relative_to(root).as_posix(),
                    "subject": path.parent.name,
                    "version": int(name["version"]),
                    "data": _data(path),
                }


def _data(path: Path) -> Any:
    """What is no JSON is handed on as text, which no event is, so that its own reader names it."""
    try:
        return json.loads(path.read_text("utf-8"))
    except ValueError:
        return path.read_text("utf-8", "replace")
