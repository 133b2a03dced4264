"""The one object that ``atoll up --json`` and ``atoll ps --json`` print."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from atoll.platform.local.instances import Instance
from atoll.platform.local.parts import LocalPart
from atoll.platform.local.services import ServiceRunner


def status(
    system: str,
    gateway: str | None,
    dashboard: str | None,
    parts: Iterable[LocalPart],
    runners: Mapping[str, ServiceRunner],
) -> dict[str, object]:
    """{"system", "gateway", "dashboard", "services": {NAME: {"release", "shares", "instances"}}, "parts": {NAME: {...}}}.

    release: the stable one. shares: percent of the requests, by release.
    """
    return {
        "system": system,
        "gateway": gateway,
        "dashboard": dashboard,
        "services": {
            name: {
                "release": runner.stable,
                "shares": dict(runner.shares),
                "instances": [_instance(instance) for instance in runner.instances],
            }
            for name, runner in runners.items()
        },
        "parts": {part.kind: _part(part) for part in parts},
    }


def _instance(instance: Instance) -> dict[str, object]:
    keeper = instance.keeper
    return {
        "pid": keeper.pid,
        "url": instance.url,
        "instance": instance.name,
        "release": instance.release,
        "state": keeper.phase,
        "restarts": keeper.restarts,
    }


def _part(part: LocalPart) -> dict[str, object]:
    view = part.view()
    restarts = part.keeper.restarts if part.keeper is not None else 0
    return {"kind": view.kind, "pid": view.pid, "url": view.url, "state": view.phase, "restarts": restarts}
