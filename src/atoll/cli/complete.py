"""Completion of services' names, from the state of the running system (nothing is imported or asked)."""

from __future__ import annotations

import click

from atoll.system.trouble import Trouble


def complete_service(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The names of services that begin so; none if no system.py is near."""
    from atoll.platform.local.folder import Folder
    from atoll.system.load import find_system

    try:
        state = Folder.beside(find_system(ctx.find_root().params.get("system_file"))).read_state()
    except Trouble:
        return []
    names = sorted(
        {name.rpartition("-")[0] or name for name in state.processes}
        | {record.kind for record in state.processes.values()} - {"service"}
    )
    return [name for name in names if name.startswith(incomplete)]
