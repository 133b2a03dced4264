"""Asking a release's own code what it offers: in its own environment, so that what is told is what will run."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from typing import Any

import msgspec

from atoll.platform.release.commands import run
from atoll.platform.release.release import Release
from atoll.system import Service, Trouble

_LIMIT = 60.0  # seconds for importing a service
_GIVEN = ("HOME", "LANG", "TMPDIR", "TZ", "LD_LIBRARY_PATH")  # code that is built needs no secrets


class Told(msgspec.Struct, frozen=True):
    """documents: file name -> OpenAPI or AsyncAPI. migrations: folder of its own revisions; "" if it has none."""

    documents: dict[str, dict[str, Any]]
    migrations: str


async def ask(release: Release, service: Service, system: str) -> Told:
    """What ``atoll serve --release TARGET`` prints. Trouble with its own line if it refuses, or cannot be imported.

    system: the system's name, which is in the source of its events.
    """
    variables = {name: os.environ[name] for name in _GIVEN if name in os.environ}
    variables |= {name: value for name, value in release.environment.items() if value}
    variables |= {"PYTHONSAFEPATH": "1", "ATOLL_SYSTEM": system, **service.environment}
    question = (str(release.python), "-m", "atoll", "serve", "--release", release.serve)
    done = await run(question, release.source, variables, _LIMIT)
    if done.code:
        lines = done.error.strip().splitlines() or [f"it ended with {done.code}"]
        raise _refused(release, lines)
    return msgspec.json.decode(done.out.splitlines()[-1], type=Told)


def _refused(release: Release, lines: list[str]) -> Trouble:
    if "No module named atoll" in lines[-1]:
        return Trouble(f"{release.service}: its package does not need atoll; add it: uv add atoll")
    line = lines[-1].removeprefix(f"atoll release {release.serve}: ")
    installed = rf"{re.escape(str(release.folder))}/environment/lib/[^/]+/site-packages/"
    return Trouble(f"{release.service}: {re.sub(installed, '', line)}", tuple(lines[-20:]))


def write_documents(told: Told, contract: Path) -> None:
    """Each as a file, indented and in a fixed order, so that two releases can be compared line by line."""
    for name, document in told.documents.items():
        text = json.dumps(document, indent=2, sort_keys=True, ensure_ascii=False)
        (contract / name).write_text(f"{text}\n", "utf-8")
