"""What the dashboard stored, for the verbs that show it on the command line; it is there whether or not anything runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from atoll.cli.tables import plain_text
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from pathlib import Path

    from atoll.platform.dashboard import Reader


def span_of_time(_ctx: click.Context, _option: click.Parameter, text: str) -> str:
    """An option's value such as 250ms or 15m, as it was written; BadParameter, which names the option, for anything else."""
    from atoll.platform.dashboard.asking import Wrong, span_of_time

    try:
        span_of_time({"time": text}, "time")
    except Wrong:
        raise click.BadParameter(f"{plain_text(text)[:40]!r} is no time; write it as 250ms, 1.5s or 15m") from None
    return text


def if_unknown(service: str, known: Iterable[str]) -> str:
    """What to add to "nothing found" if nothing at all is known of the service that was asked for: which there are."""
    there = sorted(set(known))
    if not service or service in there:
        return ""
    return f"; nothing is stored of {plain_text(service)[:40]!r}, but of {plain_text(', '.join(there)) or 'nobody'}"


@contextmanager
def reading(file: Path) -> Iterator[Reader]:
    """The store beside system.py, to ask. Trouble where there is none, and for a question that is wrong."""
    from atoll.cli.dashboard.verb import FILE
    from atoll.platform.dashboard import Reader
    from atoll.platform.dashboard.asking import Unknown, Wrong
    from atoll.platform.local.folder import Folder

    store = Reader(Folder.beside(file).path / FILE)
    try:
        if not store.readable():
            raise Trouble(f"{file}: no telemetry is stored yet; start the system with 'atoll up'")
        yield store
    except (Unknown, Wrong) as error:
        raise Trouble(str(error)) from None
    except sqlite3.Error as error:
        raise Trouble(f"{store.path} cannot be read: {error}") from None
    finally:
        store.close()
