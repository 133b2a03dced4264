"""What the services' databases say of their events, for ``atoll ps`` and ``atoll describe``."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.moments import shown_seconds
from atoll.cli.tables import print_table
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.operate import DatabaseAway, Databases, Figures

TITLES = ("SERVICE", "OUTBOX", "LAG", "PARKED", "DEAD", "PROJECTIONS", "SAGAS STUCK")


def add_figures(services: dict[str, dict[str, Any]], file: Path) -> None:
    """Puts ``figures`` into each service that has a database; ``{"unknown": why}`` where it does not answer. It never fails."""
    for name, found in _read(file, services).items():
        services[name]["figures"] = found


def show_figures(services: dict[str, dict[str, Any]]) -> None:
    """A table below the others; nothing if no service has a database."""
    rows = [_row(name, service["figures"]) for name, service in services.items() if "figures" in service]
    if rows:
        click.echo("")
        print_table(TITLES, rows)


def line_of(figures: dict[str, Any]) -> str:
    """The same in a line."""
    if "unknown" in figures:
        return f"unknown: {figures['unknown']}"
    said = [f"outbox {figures['outbox']}" + (f" ({shown_seconds(figures['outbox_lag'])})" if figures["outbox"] else "")]
    said += [f"{name.replace('_', ' ')} {figures[name]}" for name in ("parked", "dead", "sagas_stuck") if figures[name]]
    said += [f"projection {one['projection']} {_projection(one)}" for one in figures["projections"]]
    return "; ".join(said)


async def figures_of(databases: Databases) -> dict[str, dict[str, Any]]:
    """service -> its figures, or ``{"unknown": why}``, for JSON."""
    from atoll.operate import figures

    return {name: _plain(one) for name, one in (await figures(databases)).items()}


def _read(file: Path, wanted: dict[str, Any]) -> dict[str, dict[str, Any]]:
    from atoll.cli.databases import running_database_urls
    from atoll.operate import Databases

    try:
        urls = {name: url for name, url in running_database_urls(file).items() if name in wanted}
    except Trouble:
        return {}  # it stopped meanwhile, or its model has changed
    return asyncio.run(figures_of(Databases(urls)))


def _plain(figures: Figures | DatabaseAway) -> dict[str, Any]:
    from atoll.cli.projections import as_plain
    from atoll.operate import DatabaseAway

    if isinstance(figures, DatabaseAway):
        return {"unknown": str(figures)}
    return {
        "outbox": figures.outbox,
        "outbox_lag": round(figures.outbox_lag, 3),
        "parked": figures.parked,
        "dead": figures.dead,
        "projections": [as_plain(one) for one in figures.projections],
        "sagas_stuck": figures.sagas_stuck,
    }


def _row(name: str, figures: dict[str, Any]) -> tuple[object, ...]:
    if "unknown" in figures:
        return (name, *["unknown"] * (len(TITLES) - 1))
    lag = shown_seconds(figures["outbox_lag"])
    projections = ", ".join(f"{one['projection']} {_projection(one)}" for one in figures["projections"]) or "-"
    return name, figures["outbox"], lag, figures["parked"], figures["dead"], projections, figures["sagas_stuck"]


def _projection(one: dict[str, Any]) -> str:
    return str(one["state"]) if one["state"] == "live" else f"{one['state']} ({one['behind']} behind)"
