"""Completion of names, from the state of the running system (nothing is imported or asked)."""

from __future__ import annotations

import click

from atoll.cli.names import shown
from atoll.system.trouble import Trouble


def complete_service(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The names of running services that begin so; none if no system.py is near."""
    return _matching(_names(ctx)[0], incomplete)


def complete_name(ctx: click.Context, _: click.Parameter, incomplete: str) -> list[str]:
    """The same, and the parts."""
    services, parts = _names(ctx)
    return _matching(services | parts, incomplete)


def _matching(names: set[str], incomplete: str) -> list[str]:
    return sorted(name for name in names if name.startswith(incomplete))


def _names(ctx: click.Context) -> tuple[set[str], set[str]]:
    from atoll.platform.local.folder import Folder
    from atoll.platform.local.ledger import SERVICE
    from atoll.system.load import find_system

    try:
        state = Folder.beside(find_system(ctx.find_root().params.get("system_file"))).read_state()
    except Trouble:
        return set(), set()
    services = {name.rpartition("-")[0] for name, record in state.processes.items() if record.kind == SERVICE}
    return services, {shown(name) for name, record in state.processes.items() if record.kind != SERVICE}
