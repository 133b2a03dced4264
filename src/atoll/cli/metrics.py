"""``atoll metrics``: how often, how well and how fast; by service and operation, or any one metric by its labels."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.cli.stored import if_unknown, reading, span_of_time
from atoll.cli.tables import plain_text, print_table

if TYPE_CHECKING:
    from atoll.platform.dashboard import Reader

_PAUSE = 5.0  # seconds between looks when following: as often as services are asked
_TITLES = ("KIND", "SERVICE", "OPERATION", "PER SECOND", "ERRORS %", "P50 MS", "P99 MS", "COUNT")
_SHOWN = ("value", "rate", "p50", "p90", "p95", "p99")


@click.command("metrics")
@click.argument("metric", required=False)
@click.option("--service", default="", help="Only this service.")
@click.option(
    "--operation", default="", metavar="TEXT", help="Only operations and events with this text in their name."
)
@click.option("--kind", type=click.Choice(["served", "called", "handled"]), help="Only this side of them.")
@click.option("--errors", is_flag=True, help="Only those with an error.")
@click.option(
    "--since",
    default="1m",
    callback=span_of_time,
    metavar="TIME",
    show_default=True,
    help="Of the last 1m, 15m, 1h, ...",
)
@click.option("--names", is_flag=True, help="List the metrics that there are.")
@click.option(
    "--by", default="", metavar="LABELS", help="Of one metric: the labels that tell its lines apart, a comma between."
)
@click.option("--show", type=click.Choice(_SHOWN), help="Of one metric; the default fits its kind.")
@click.option("-F", "--follow", is_flag=True, help="Show it again every few seconds.")
@json_option
@system_option
@click.pass_context
def command(
    ctx: click.Context, /, metric: str | None, names: bool, follow: bool, as_json: bool, system_file: str | None,
    **asked: Any,
) -> None:  # fmt: skip
    """Show rates, errors, medians and 99th percentiles by service and operation; or one METRIC by its labels.

    Served are operations, called the attempts of calls to others, handled are events.
    """
    with reading(system_path(ctx, system_file)) as store:
        if names:
            _show(
                (_names(store), ("METRIC", "KIND", "SERVICES", "LABELS"), _name_cells),
                as_json,
                "no metric is stored yet",
            )
        elif follow:
            _follow(lambda: _looked(store, metric, asked), lambda: _nothing(store, metric, asked), as_json)
        else:
            look = _looked(store, metric, asked)
            _show(look, as_json, "" if look[0] else _nothing(store, metric, asked))


Look = tuple[list[dict[str, Any]], tuple[str, ...], Callable[[dict[str, Any]], tuple[object, ...]]]
"""Rows for JSON, the titles of a table, and a row's cells in it."""


def _looked(store: Reader, metric: str | None, asked: dict[str, Any]) -> Look:
    if metric is None:
        return list(_rates(store, asked)), _TITLES, _rate_cells
    lines = _lines(store, metric, asked)
    labels = tuple(asked["by"].split(",")) if asked["by"] else ("service",)
    return lines, (*(label.upper() for label in labels), lines[0]["show"].upper() if lines else ""), _line_cells


def _nothing(store: Reader, metric: str | None, asked: dict[str, Any]) -> str:
    """Why nothing is shown, and what to do about it."""
    known = {service for one in _names(store) for service in one["services"]}
    if unknown := if_unknown(asked["service"], known):
        return f"nothing was counted{unknown}"
    if metric is None and asked["errors"] and next(_rates(store, {**asked, "errors": False}), None) is not None:
        return f"nothing failed in the last {asked['since']}; --since 1h looks further back"
    return f"nothing was counted in the last {asked['since']}; --since 1h looks further back"


def _show(look: Look, as_json: bool, nothing: str) -> None:
    """``nothing`` is said where there are no rows."""
    rows, titles, cells = look
    if as_json:
        print_json(rows)
    elif not rows:
        click.echo(nothing)
    else:
        print_table(titles, [cells(row) for row in rows])


def _follow(look: Callable[[], Look], nothing: Callable[[], str], as_json: bool) -> None:
    """A table after the other, each below its time; or an object a line, each with its time."""
    while True:
        now = datetime.now(UTC).astimezone()
        found = look()
        if as_json:
            for row in found[0]:
                click.echo(json.dumps({"time": now.isoformat(timespec="seconds"), **row}))
        else:
            click.echo(f"--- {now:%H:%M:%S}")
            _show(found, as_json, "" if found[0] else nothing())
        time.sleep(_PAUSE)


def _rates(store: Reader, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
    from atoll.platform.dashboard.asking import span_of_time
    from atoll.platform.dashboard.rates import CALLED, CONSUMED, SERVED, rates

    until = time.time_ns()
    since = until - span_of_time(asked, "since")
    for kind, name in (("served", SERVED), ("called", CALLED), ("handled", CONSUMED)):
        for row in rates(store, since, until, name) if asked["kind"] in {None, kind} else ():
            if _fits(row, asked):
                yield {"kind": kind, **row}


def _fits(row: dict[str, Any], asked: dict[str, Any]) -> bool:
    named = asked["service"] in {"", row["service"]} and asked["operation"].lower() in row["operation"].lower()
    return named and (row["errors"] > 0 or not asked["errors"])


def _rate_cells(row: dict[str, Any]) -> tuple[object, ...]:
    times = (round(row[name] * 1e3, 2) if row[name] is not None else None for name in ("p50", "p99"))
    names = (row["kind"], plain_text(row["service"]), plain_text(row["operation"]))
    return *names, round(row["rate"], 2), round(row["errors"] * 100, 2), *times, int(row["count"])


def _names(store: Reader) -> list[dict[str, Any]]:
    from atoll.platform.dashboard.metrics import metric_names

    return metric_names(store)


def _name_cells(row: dict[str, Any]) -> tuple[object, ...]:
    return plain_text(row["name"]), row["kind"], ",".join(row["services"]), plain_text(",".join(row["labels"])) or "-"


def _lines(store: Reader, metric: str, asked: dict[str, Any]) -> list[dict[str, Any]]:
    """Each line's latest value in that time. Unknown for a metric that nobody told."""
    from atoll.platform.dashboard.asking import Unknown, span_of_time
    from atoll.platform.dashboard.metrics import draw, metric_query

    told = {one["name"]: one for one in _names(store)}
    if metric not in told:
        raise Unknown(f"no metric {plain_text(metric)[:80]!r} is stored; 'atoll metrics --names' lists them")
    there = ["service", *told[metric]["labels"]]
    for label in asked["by"].split(",") if asked["by"] else ():
        if label not in there:
            raise Unknown(
                f"--by: {metric} has no label {plain_text(label)[:40]!r}; it has {plain_text(', '.join(there))}"
            )
    show = asked["show"] or {"histogram": "p99", "counter": "rate"}.get(told[metric]["kind"], "value")
    since = str(time.time_ns() - span_of_time(asked, "since"))
    query = {"name": metric, "show": show, "service": asked["service"], "by": asked["by"] or "service", "since": since}
    found = draw(store, metric_query(query))
    return [
        {"metric": metric, "show": show, "labels": line["labels"], "value": latest}
        for line in found["lines"]
        if (latest := next((value for value in reversed(line["values"]) if value is not None), None)) is not None
    ]


def _line_cells(row: dict[str, Any]) -> tuple[object, ...]:
    return *(plain_text(str(label)) for label in row["labels"].values()), float(f"{row['value']:.6g}")
