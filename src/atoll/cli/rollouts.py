"""``atoll rollouts``: what was rolled out, and why it ended as it did."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from atoll.cli.client import Client
from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.cli.rollout_view import listing, over, show
from atoll.system.trouble import Trouble


@click.command("rollouts")
@click.argument("service", default="", shell_complete=complete_service)
@click.argument("which", default="", metavar="[NUMBER|RELEASE]")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this file.")
@json_option
@system_option
@click.pass_context
def command(
    ctx: click.Context, service: str, which: str, svg: Path | None, as_json: bool, system_file: str | None
) -> None:
    """List rollouts (of one service, if it is named); or show one: what was measured at each step, and what was decided.

    It reads the journal, so that nothing has to run.
    """
    file = system_path(ctx, system_file)
    if service:
        from atoll.cli.names import service_named
        from atoll.system.load import load_system

        service_named(load_system(file), service)
    if svg is not None:
        _draw(file, service, which, svg)
    elif which:
        found = one(file, service, which)
        print_json(found) if as_json else show(found)
    else:
        found_all = every(file, service)
        if as_json:
            print_json({"rollouts": found_all})
        elif found_all:
            listing(found_all)
            if any(not over(one) for one in found_all) and not Client(file).runs:
                click.echo("the system does not run; 'atoll up' goes on with what is not over")
        else:
            click.echo(
                f"no rollouts{f' of {service}' if service else ''}; begin one with 'atoll deploy {service or 'SERVICE'}'"
            )


def every(file: Path, service: str) -> list[dict[str, Any]]:
    """Without what happened on the way; the newest first. What cannot be read is a line on standard error."""
    import msgspec

    from atoll.platform.rollout.journal import readable, unreadable

    journal = _journal(file)
    found = []
    for name in (service,) if service else journal.services():
        found += [msgspec.to_builtins(rollout) for rollout in readable(journal, name)]
        for note in unreadable(journal, name):
            click.echo(note, err=True)
    return [{name: value for name, value in it.items() if name not in {"entries", "points"}} for it in found]


def one(file: Path, service: str, which: str) -> dict[str, Any]:
    """As the running supervisor knows it, else as the journal does."""
    import msgspec

    from atoll.platform.rollout.journal import readable, unreadable

    client = Client(file)
    if client.runs:
        return client.call("GET", f"/v1/rollouts/{service}/{which}")
    journal = _journal(file)
    for rollout in readable(journal, service):
        if str(rollout.number) == which or (len(which) > 2 and rollout.release.startswith(which)):
            found: dict[str, Any] = msgspec.to_builtins(rollout)
            return found
    said = f"{service} had no rollout {which!r}; see 'atoll rollouts {service}'"
    raise Trouble(said, tuple(unreadable(journal, service)))


def _draw(file: Path, service: str, which: str, to: Path) -> None:
    import msgspec

    from atoll.platform.rollout import Rollout
    from atoll.platform.rollout.picture import picture

    if not service or not which:
        raise click.UsageError("--svg draws one rollout; name its service and its number")
    to.write_text(picture(msgspec.convert(one(file, service, which), Rollout)), "utf-8")
    click.echo(f"drew {to}")


def _journal(file: Path) -> Any:
    from atoll.platform.local.folder import Folder
    from atoll.platform.rollout import FolderJournal

    return FolderJournal(Folder.beside(file).path / "rollouts")
