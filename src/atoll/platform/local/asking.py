"""Asking a service's own code: a process of its own imports it and tells, so that services' modules never meet."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from atoll.platform.local.programs import import_path
from atoll.platform.local.wiring import users_own
from atoll.system import Service, System, Trouble
from atoll.system.events import EventUse, ServiceEvents

LIMIT = 60.0  # seconds for importing a service


def ask(
    system: System,
    root: Path,
    service: Service,
    *question: str,
    body: bytes = b"",
    told: Mapping[str, str] | None = None,
) -> str:
    """What ``python -m atoll serve QUESTION... TARGET`` prints. Trouble with its own line if it refuses.

    root: folder of system.py. body: for its standard input. told: more variables of its environment, secrets among them.
    """
    if not service.serve:
        raise Trouble(f"{service.name} is no atoll service (it has no serve=...), so it cannot be asked")
    variables = users_own(system, service)
    variables["PYTHONPATH"] = import_path(root, service, variables.get("PYTHONPATH", ""))
    variables |= {"PYTHONSAFEPATH": "1", "ATOLL_SYSTEM": system.name, **service.environment, **(told or {})}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "atoll", "serve", *question, service.serve],
            env=variables, cwd=root / service.source, input=body, capture_output=True, timeout=LIMIT, check=False,
        )  # fmt: skip
    except subprocess.TimeoutExpired:
        raise Trouble(f"{service.name}: it was not imported within {LIMIT:g} s") from None
    except OSError as error:
        raise Trouble(f"{service.name}: {error.strerror}: {error.filename}") from None
    if done.returncode:
        lines = done.stderr.decode(errors="replace").strip().splitlines() or [f"it ended with {done.returncode}"]
        raise Trouble(lines[-1].removeprefix(f"atoll {question[0].lstrip('-')} {service.serve}: "))
    return done.stdout.decode()


def events_of(system: System, root: Path) -> list[ServiceEvents]:
    """What each service publishes and consumes: told by its code, or declared in system.py by a foreign one."""
    with ThreadPoolExecutor(max(1, os.cpu_count() or 1)) as many:
        return list(many.map(lambda service: service_events(system, root, service), system.services))


def service_events(system: System, root: Path, service: Service) -> ServiceEvents:
    """The same of one of them."""
    declared = _declared(service.publishes), _declared(service.consumes)
    if not service.serve or not service.events:
        return ServiceEvents(service.name, service.place, *declared)
    try:
        told: dict[str, Any] = json.loads(ask(system, root, service, "--events").splitlines()[-1])
        publishes, consumes = (msgspec.convert(told[side], list[EventUse]) for side in ("publishes", "consumes"))
    except Trouble as trouble:
        return ServiceEvents(service.name, service.place, unknown=str(trouble))
    return ServiceEvents(service.name, service.place, [*publishes, *declared[0]], [*consumes, *declared[1]])


def _declared(subjects: Sequence[str]) -> list[EventUse]:
    return [EventUse(subject) for subject in subjects]
