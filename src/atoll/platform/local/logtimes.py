"""When a line of a log was written, as each program of a system says it; so that several logs can be read as one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

# RFC 3339 (ours, and the access log's), PostgreSQL's and Envoy's, NATS's. All of them in UTC: they are told so.
_DATED = re.compile(r"(\d{4})[-/](\d\d)[-/](\d\d)[T ](\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?")
_CLOCK = re.compile(r"^(\d\d):(\d\d):(\d\d)(?:\.(\d{1,6}))?\b")  # a service's text form: local time, without the date
_SEARCHED = 200  # characters of a line in which its time is
_HALF_A_DAY = timedelta(hours=12)


@dataclass(frozen=True, slots=True)
class Line:
    """A line of the log ``name``. when: its time; if it has none, that of the line before (of the first line's: after) it.

    own: whether it has a time; one without belongs to the line before it, as a stack does.
    """

    when: datetime
    name: str
    text: str
    own: bool = True


def timed(name: str, texts: Iterable[str], near: datetime) -> Iterator[Line]:
    """The lines with their times. near: a time close to the first line (with its zone), for one that has no date."""
    texts = list(texts)
    last = next((found for text in texts if (found := _time_of(text, near)) is not None), near)
    for text in texts:
        own = _time_of(text, last)
        last = own or last
        yield Line(last, name, text, own is not None)


def _time_of(text: str, last: datetime) -> datetime | None:
    if found := _CLOCK.match(text):
        return _on_the_nearest_day(found, last.astimezone())
    if found := _DATED.search(text, 0, _SEARCHED):
        *numbers, fraction = found.groups()
        try:
            return datetime(*map(int, numbers), _microseconds(fraction), tzinfo=UTC)  # type: ignore[arg-type,misc]
        except ValueError:
            return None  # digits that are no date
    return None


def _on_the_nearest_day(clock: re.Match[str], last: datetime) -> datetime | None:
    hour, minute, second, fraction = clock.groups()
    try:
        when = last.replace(hour=int(hour), minute=int(minute), second=int(second), microsecond=_microseconds(fraction))
    except ValueError:
        return None
    if when - last > _HALF_A_DAY:
        return when - timedelta(days=1)
    return when + timedelta(days=1) if last - when > _HALF_A_DAY else when


def _microseconds(fraction: str | None) -> int:
    return int((fraction or "0").ljust(6, "0"))
