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

TITLES = ("SERVICE", "OUTBOX", "LAG", "BACKLOG", "PARKED", "DEAD", "PROJECTIONS", "SAGAS STUCK")


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
    said += [f"backlog {figures['backlog']}"] if figures.get("backlog") else []
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
    return asyncio.run(_read_both(Databases(urls), file))


async def _read_both(databases: Databases, file: Path) -> dict[str, dict[str, Any]]:
    """The broker is asked meanwhile."""
    asking = asyncio.create_task(_backlogs(file, list(databases.urls)))
    found = await figures_of(databases)
    waiting = await asking
    for name, one in found.items():
        one["backlog"] = waiting.get(name)
    return found


async def _backlogs(file: Path, services: list[str]) -> dict[str, int | None]:
    from atoll.cli.brokers import running_broker
    from atoll.messaging import open_broker
    from atoll.operate import backlogs

    try:
        at = running_broker(file)
        broker = open_broker(at.url, system=at.system)
    except (Trouble, ValueError):
        return {}  # there is none, or not one that can be asked
    await broker.start()
    try:
        return await backlogs(broker, services)
    finally:
        await broker.stop()


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
    backlog = figures["backlog"]  # None, shown as a dash: the broker is away, or does not tell
    if "unknown" in figures:
        return name, "unknown", "unknown", backlog, *["unknown"] * (len(TITLES) - 4)
    lag = shown_seconds(figures["outbox_lag"])
    projections = ", ".join(f"{one['projection']} {_projection(one)}" for one in figures["projections"]) or "-"
    return (
        name,
        figures["outbox"],
        lag,
        backlog,
        figures["parked"],
        figures["dead"],
        projections,
        figures["sagas_stuck"],
    )


def _projection(one: dict[str, Any]) -> str:
    return str(one["state"]) if one["state"] == "live" else f"{one['state']} ({one['behind']} behind)"
