"""``atoll traces``: which requests there were, and what one of them did. Reads what the dashboard stored, also after the end."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.cli.stored import if_unknown, reading, span_of_time
from atoll.cli.tables import plain_text
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.platform.dashboard import Reader

_PAUSE = 0.5  # seconds between looks when following
_FAILED = 2  # a span's status


@click.command("traces")
@click.argument("trace", required=False)
@click.option("--service", default="", help="Only those that a service took part in.")
@click.option("--errors", is_flag=True, help="Only those with an error.")
@click.option("--grep", "q", default="", metavar="TEXT", help="Only those with this text in their name, in any case.")
@click.option(
    "--at-least", default="", callback=span_of_time, metavar="TIME", help="Only those that took as long as 250ms, say."
)
@click.option("--since", default="", callback=span_of_time, metavar="TIME", help="Only those of the last 15m, 1h, ...")
@click.option("--slowest", is_flag=True, help="The slowest first, not the latest.")
@click.option("-n", "--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="How many.")
@click.option("-F", "--follow", is_flag=True, help="Go on as traces come.")
@json_option
@system_option
@click.pass_context
def command(
    ctx: click.Context, /, trace: str | None, follow: bool, as_json: bool, system_file: str | None, **asked: Any
) -> None:
    """List traces, the latest first; or show the one of this id as its tree."""
    with reading(system_path(ctx, system_file)) as store:
        if trace is not None:
            _show_one(store, trace, as_json)
        elif follow:
            _follow(store, asked, as_json)
        else:
            _show_list(store, asked, as_json)


def _found(store: Reader, asked: dict[str, Any], since: int = 0) -> list[dict[str, Any]]:
    from dataclasses import replace

    from atoll.platform.dashboard.asking import trace_query
    from atoll.platform.dashboard.traces import find_traces

    texts = {name: str(value) for name, value in asked.items() if value and not isinstance(value, bool)}
    query = trace_query(texts)
    query = replace(query, errors=asked["errors"], slowest=asked["slowest"], since=max(query.since, since))
    return find_traces(store, query)


def _show_list(store: Reader, asked: dict[str, Any], as_json: bool) -> None:
    from atoll.cli.tables import print_table
    from atoll.platform.dashboard.traces import services

    rows = _found(store, asked)
    if as_json:
        print_json(rows)
    elif not rows:
        known = (row["service"] for row in services(store, 0))
        click.echo(f"no trace fits{if_unknown(asked['service'], known)}")
    else:
        print_table(("TRACE", "BEGAN", "MS", "SPANS", "ERRORS", "SERVICE", "NAME"), [_cells(row) for row in rows])


def _follow(store: Reader, asked: dict[str, Any], as_json: bool) -> None:
    """Prints each trace once: it is listed from its first span on, later ones may still lengthen it."""
    import json

    since, seen = time.time_ns(), set[str]()
    while True:
        for row in reversed(_found(store, asked, since)):
            if row["trace"] not in seen:
                seen.add(row["trace"])
                click.echo(json.dumps(row) if as_json else "  ".join(map(str, _cells(row))))
        time.sleep(_PAUSE)


def _show_one(store: Reader, text: str, as_json: bool) -> None:
    from atoll.platform.dashboard.asking import Wrong, trace_id
    from atoll.platform.dashboard.traces import one_trace

    try:
        trace = trace_id(text)
    except Wrong as error:
        raise Trouble(f"{plain_text(str(error))}; 'atoll traces' lists them") from None
    found = one_trace(store, trace)
    if as_json:
        print_json(found)
        return
    orphans = f", {found['orphans']} whose parents are missing" if found["orphans"] else ""
    click.echo(f"{found['trace']}: {len(found['spans'])} spans, {found['errors']} errors{orphans}")
    for span in found["spans"]:
        click.echo(_branch(span, found["start"]))


def _branch(span: dict[str, Any], start: int) -> str:
    """When it began after the trace's beginning, how long it took (both ms), and what it was."""
    failed = f"  ! {plain_text(span['message']) or 'failed'}" if span["status"] == _FAILED else ""
    times = f"{(span['start'] - start) / 1e6:10.2f} {span['duration'] / 1e6:10.2f}"
    return f"{times}  {'  ' * span['depth']}{plain_text(span['service'])}: {plain_text(span['name'])}{failed}"


def _cells(row: dict[str, Any]) -> tuple[object, ...]:
    began = datetime.fromtimestamp(row["start"] / 1e9, UTC).astimezone().strftime("%H:%M:%S.%f")[:-3]
    took = round(row["duration"] / 1e6, 2)
    return row["trace"], began, took, row["spans"], row["errors"], plain_text(row["service"]), plain_text(row["name"])
