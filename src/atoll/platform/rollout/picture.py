"""A rollout as a picture (SVG): the share of the traffic, and the errors and the p99 of both releases below it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from xml.sax.saxutils import escape

from atoll.platform.rollout.records import Figures, Point, Rollout

WIDTH, HEIGHT = 860, 470
_LEFT, _RIGHT = 62, 836
_NEW, _OLD, _SOFT, _LINE, _BAD, _GOOD = "#08747a", "#c2562d", "#6b757c", "#d9d5ca", "#b3261e", "#1d7346"
_Value = Callable[[Figures], float | None]


def picture(rollout: Rollout) -> str:
    """The whole drawing; text in it is escaped."""
    font = 'font-family="ui-sans-serif, system-ui, sans-serif" font-size="12"'
    lines = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img" {font}>',
        f"<title>{escape(_title(rollout))}</title>",
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>',
        *_parts(rollout),
        "</svg>\n",
    )
    return "\n".join(lines)


def _parts(rollout: Rollout) -> Iterator[str]:
    good = rollout.phase == "promoted"
    yield _text(_LEFT, 26, _title(rollout), size=15, weight=650)
    yield _text(_LEFT, 46, _short(rollout.reason), fill=_GOOD if good else _BAD)
    yield _text(_RIGHT - 210, 66, f"● {rollout.release}", fill=_NEW, weight=600)
    yield _text(_RIGHT - 96, 66, f"● {rollout.stable}", fill=_OLD, weight=600)
    end = max([rollout.took, *(entry.at for entry in rollout.entries), *(point.at for point in rollout.points), 1.0])
    yield from _shares(rollout, end)
    yield from _pair(rollout.points, end, (230, 110), "failed requests, %", lambda one: one.error_rate * 100)
    yield from _pair(
        rollout.points, end, (365, 70), "p99, ms", lambda one: one.p99 * 1000 if one.p99 is not None else None
    )
    for second in _ticks(end):
        yield _text(_x(second, end), HEIGHT - 12, f"{second:g} s", fill=_SOFT, anchor="middle")


def _shares(rollout: Rollout, end: float) -> Iterator[str]:
    top, height = 84, 90
    yield from _axis(top, height, 100, "traffic, %")
    places, share = [(0.0, 0)], 0
    for entry in rollout.entries:
        if entry.share != share:
            places += [(entry.at, share), (entry.at, entry.share)]
            share = entry.share
    places.append((end, share))
    line = " ".join(f"{_x(at, end):.1f},{top + height * (1 - part / 100):.1f}" for at, part in places)
    yield f'<polyline points="{line}" fill="none" stroke="{_NEW}" stroke-width="2"/>'
    for entry in rollout.entries:
        if entry.decision in {"go on", "go back", "watch on"}:
            colour = {"go on": _GOOD, "go back": _BAD}.get(entry.decision, "#8a5a00")
            x = _x(entry.at, end)
            yield f'<line x1="{x:.1f}" y1="{top}" x2="{x:.1f}" y2="{HEIGHT - 35}" stroke="{colour}" stroke-dasharray="3 3"/>'
            yield f'<circle cx="{x:.1f}" cy="{top - 4}" r="4" fill="{colour}"><title>{escape(entry.text)}</title></circle>'


def _pair(points: Sequence[Point], end: float, place: tuple[int, int], title: str, value: _Value) -> Iterator[str]:
    top, height = place
    most = (
        max([value(one) or 0.0 for point in points for one in (point.canary, point.stable)], default=0.0) * 1.1 or 1.0
    )
    yield from _axis(top, height, most, title)
    for colour, pick in ((_OLD, "stable"), (_NEW, "canary")):
        found = [(point.at, value(getattr(point, pick))) for point in points if getattr(point, pick).requests]
        places = [f"{_x(at, end):.1f},{top + height * (1 - one / most):.1f}" for at, one in found if one is not None]
        if len(places) > 1:
            yield f'<polyline points="{" ".join(places)}" fill="none" stroke="{colour}" stroke-width="2"/>'
        yield from (
            f'<circle cx="{x}" cy="{y}" r="2.2" fill="{colour}"/>' for x, y in (one.split(",") for one in places)
        )


def _axis(top: int, height: int, most: float, title: str) -> Iterator[str]:
    yield _text(_LEFT, top - 10, title, fill=_SOFT)
    for part in (0.0, 0.5, 1.0):
        y = top + height * (1 - part)
        yield f'<line x1="{_LEFT}" y1="{y:.1f}" x2="{_RIGHT}" y2="{y:.1f}" stroke="{_LINE}"/>'
        yield _text(_LEFT - 8, y + 4, f"{most * part:.3g}", fill=_SOFT, anchor="end")


def _ticks(end: float) -> Iterator[float]:
    size = next((one for one in (1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600) if end / one <= 10), 7200)
    yield from (float(second) for second in range(0, int(end) + 1, size))


def _x(at: float, end: float) -> float:
    return _LEFT + (_RIGHT - _LEFT) * min(at, end) / end


def _title(rollout: Rollout) -> str:
    return f"{rollout.service}, rollout {rollout.number}: {rollout.plan.strategy}, {rollout.phase}"


def _short(text: str) -> str:
    return text if len(text) <= 130 else f"{text[:127]}..."


def _text(
    x: float, y: float, text: str, *, fill: str = "#1d2327", size: int = 12, weight: int = 400, anchor: str = "start"
) -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{fill}" font-size="{size}" font-weight="{weight}" '
        f'text-anchor="{anchor}">{escape(text)}</text>'
    )
