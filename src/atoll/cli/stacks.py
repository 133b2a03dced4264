"""The stacks of a service, asked of the service itself: a process of its own imports it, assembles it and tells."""

from __future__ import annotations

import json
from itertools import groupby
from pathlib import Path
from typing import Any

import click

from atoll.cli.names import service_named
from atoll.platform.local.asking import ask
from atoll.system import System, Trouble

_TITLES = {"server": "offers", "clients": "calls", "consumer": "consumes"}


def read_stacks(system: System, root: Path, name: str) -> dict[str, Any]:
    """What ``python -m atoll serve --describe`` prints; Trouble with its line if the service cannot be assembled."""
    service = service_named(system, name)
    if not service.serve:
        raise Trouble(f"{name} is no atoll service (it has no serve=...), so it has no stacks")
    try:
        found: dict[str, Any] = json.loads(ask(system, root, service, "--describe"))
    except Trouble as trouble:
        raise Trouble(f"{name}: {trouble}") from None
    return found


def show_stacks(found: dict[str, Any]) -> None:
    """One block a stack, operations with the same one together; the outermost layer first."""
    click.echo(found["service"])
    for side, title in _TITLES.items():
        by_stack = sorted(found[side].items(), key=lambda item: json.dumps(item[1]))
        for _, group in groupby(by_stack, key=lambda item: json.dumps(item[1])):
            same = list(group)
            click.echo(f"  {title} {', '.join(sorted(name for name, _ in same))}")
            for line in _lines(same[0][1]):
                click.echo(f"    {line}")


def _lines(layers: list[dict[str, Any]]) -> list[str]:
    numbers = [" ".join(f"{name}={_text(value)}" for name, value in one["numbers"].items()) or "-" for one in layers]
    width = max((len(text) for text in numbers), default=0)
    return [f"{one['name']:<11}  {text:<{width}}  {one['why']}" for one, text in zip(layers, numbers, strict=True)]


def _text(value: object) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
