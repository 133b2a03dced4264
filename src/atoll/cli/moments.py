"""Moments, as a person writes them: ``10m`` ago, ``2026-11-23T08:00``, ``now``; and how they are shown."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import click

_AGO = re.compile(r"(\d{1,9}(?:\.\d{1,3})?)(s|m|h|d)")
_UNITS = {"s": "seconds", "m": "minutes", "h": "hours", "d": "days"}


class Moment(click.ParamType[datetime]):
    """A duration before now, or a time: ISO 8601, in the machine's own zone unless it names another."""

    name = "TIME"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        """The moment, with its zone."""
        if isinstance(value, datetime):
            return value
        text = str(value).strip()
        if text == "now":
            return datetime.now(UTC)
        try:
            if ago := _AGO.fullmatch(text):
                return datetime.now(UTC) - timedelta(**{_UNITS[ago[2]]: float(ago[1])})
            return datetime.fromisoformat(text).astimezone()
        except (ValueError, OverflowError, OSError):
            self.fail(f"{text!r} is no time; write 10m, 2h, 3d, or 2026-11-23T08:00", param, ctx)


MOMENT = Moment()


def shown_time(moment: datetime | None) -> str:
    """In the machine's zone, to the second."""
    return "-" if moment is None else moment.astimezone().isoformat(timespec="seconds")


def shown_seconds(seconds: float) -> str:
    """``0.2 s``, ``12 s``, ``3 m``, ``5 h``, ``2 d``."""
    for most, size, unit in ((10, 1, "s"), (120, 1, "s"), (7_200, 60, "m"), (172_800, 3_600, "h")):
        if seconds < most:
            return f"{seconds:.1f} s" if most == 10 else f"{seconds / size:.0f} {unit}"
    return f"{seconds / 86_400:.0f} d"
