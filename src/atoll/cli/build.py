"""``atoll build``: an immutable release of a service, on the shelf beside system.py."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.names import service_named
from atoll.cli.options import json_option, print_json, system_option, system_path

if TYPE_CHECKING:
    from atoll.platform.release import Release


@click.command("build")
@click.argument("services", nargs=-1)
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, services: tuple[str, ...], as_json: bool, system_file: str | None) -> None:
    """Build a release of these services (of all, if none is named): wheels, locked dependencies, contract, migrations.

    The same content is the same release, so a second build does nothing. It changes nothing that runs: see 'atoll deploy'.
    """
    from atoll.platform.release import Shelf
    from atoll.platform.release.build import build
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system = load_system(file)
    shelf = Shelf.beside(file)
    done = []
    for service in [service_named(system, name) for name in services] or system.services:
        known, began = {one.id for one in shelf.all(service.name)}, time.monotonic()
        tell = _quietly if as_json else _teller(service.name)
        release = asyncio.run(build(system, file.parent, service, shelf, tell))
        done.append(_result(release, release.id not in known, time.monotonic() - began))
        if not as_json and done[-1]["new"]:
            click.echo(f"{release.line()}: {done[-1]['seconds']:.1f} s, {release.folder}")
    if as_json:
        print_json({"releases": done})


def _result(release: Release, new: bool, seconds: float) -> dict[str, Any]:
    """{"service", "id", "version", "commit", "dirty", "new", "seconds", "folder"}."""
    facts = {name: getattr(release, name) for name in ("service", "id", "version", "commit", "dirty")}
    return {**facts, "new": new, "seconds": round(seconds, 2), "folder": str(release.folder)}


def _teller(service: str) -> Any:
    return lambda line: click.echo(line if line.startswith(f"{service} ") else f"{service}: {line}")


def _quietly(_: str) -> None:
    """The JSON says it."""
