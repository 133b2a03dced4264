"""``atoll releases``: what is on the shelf, which of it runs, and what became of it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.moments import shown_seconds
from atoll.cli.names import service_named
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.cli.tables import print_table

if TYPE_CHECKING:
    from atoll.cli.in_use import InUse
    from atoll.platform.release import Release

KEPT = 5


@click.command("releases")
@click.argument("services", nargs=-1)
@click.option(
    "--prune", is_flag=True, help="Remove old releases; never one that runs, is stable or is being rolled out."
)
@click.option(
    "--keep", type=click.IntRange(0), default=KEPT, show_default=True, help="With --prune: the newest so many."
)
@json_option
@system_option
@click.pass_context
def command(
    ctx: click.Context, services: tuple[str, ...], prune: bool, keep: int, as_json: bool, system_file: str | None
) -> None:
    """List the releases of these services (of all, if none is named), the newest first."""
    from atoll.cli.in_use import InUse, require_nothing_left_over
    from atoll.platform.release import Shelf
    from atoll.system.load import load_system

    file = system_path(ctx, system_file)
    system, shelf = load_system(file), Shelf.beside(file)
    wanted = [service_named(system, name).name for name in services] or [one.name for one in system.services]
    if prune:
        require_nothing_left_over(file)
    in_use = InUse.of(file)
    removed = [one for name in wanted for one in shelf.prune(name, keep, in_use.ids(name))] if prune else []
    found = [one for name in wanted for one in shelf.all(name)]
    hurt = [why for name in wanted for why in shelf.damaged(name).values()]
    if as_json:
        print_json(
            {
                "releases": [_facts(one, in_use) for one in found],
                "removed": [one.id for one in removed],
                "damaged": hurt,
            }
        )
        return
    for one in removed:
        click.echo(f"removed {one.line()}")
    _show(found, wanted, in_use, file)
    for line in hurt:
        click.echo(line, err=True)


def _facts(release: Release, in_use: InUse) -> dict[str, Any]:
    """{"service", "id", "version", "commit", "dirty", "built", "size", "stable", "instances", "notes", "folder"}.

    built: RFC 3339. size: bytes. instances: how many run now. notes: a line for each of its rollouts, the oldest first.
    """
    return {
        **{name: getattr(release, name) for name in ("service", "id", "version", "commit", "dirty")},
        "built": release.built.isoformat(timespec="seconds"),
        "size": release.size,
        "stable": in_use.stable.get(release.service) == release.id,
        "instances": in_use.instances(release.service, release.id),
        "notes": in_use.notes(release.service, release.id),
        "folder": str(release.folder),
    }


def _show(found: list[Release], wanted: list[str], in_use: InUse, file: Path) -> None:
    if not found:
        click.echo(f"no releases beside {file}; 'atoll build {wanted[0] if wanted else 'SERVICE'}' makes one")
        return
    titles = ("SERVICE", "RELEASE", "VERSION", "COMMIT", "BUILT", "SIZE", "STATE", "LAST ROLLOUT")
    print_table(titles, [_row(one, in_use) for one in found])
    for name in wanted:
        if running := in_use.instances(name, "dev"):
            click.echo(f"{name}: the working tree (dev) runs, {running} instance{'' if running == 1 else 's'}")


def _row(release: Release, in_use: InUse) -> tuple[object, ...]:
    commit = f"{release.commit[:7]}{'+' if release.dirty else ''}" if release.commit else "-"
    age = shown_seconds((datetime.now(UTC) - release.built).total_seconds())
    notes = in_use.notes(release.service, release.id)
    state = _state(release, in_use)
    size = f"{release.size / 1e6:.1f} MB"
    return release.service, release.id, release.version or "-", commit, age, size, state, notes[-1] if notes else "-"


def _state(release: Release, in_use: InUse) -> str:
    running = in_use.instances(release.service, release.id)
    words = ["stable"] if in_use.stable.get(release.service) == release.id else []
    return ", ".join(words + ([f"runs {running}"] if running else [])) or "-"
