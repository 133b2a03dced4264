"""What we mean to reach, as ratios between systems that were measured in turn, and whether it was reached."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bench.comparison.measure import Round

HEAD = "| Atoll's | beside | is to be | was | |\n| --- | --- | --- | --- | --- |"


@dataclass(frozen=True)
class Target:
    """Atoll's figure over that of ``beside``. more: at least ``bound``, else at most."""

    kind: str
    figure: str
    beside: str
    bound: float
    more: bool = True

    def reached(self, ratio: float) -> bool:
        return ratio >= self.bound if self.more else ratio <= self.bound


TARGETS = (
    Target("checkout", "confirmed/s", "fastapi", 6),
    Target("checkout", "confirmed/s", "moleculer", 1.1),
    Target("checkout", "confirmed/s", "floor", 0.6),
    Target("checkout", "p99 ms", "moleculer", 1, more=False),
    Target("checkout", "CPU s/1,000", "fastapi", 0.2, more=False),
    Target("checkout", "CPU s/1,000", "moleculer", 0.9, more=False),
    Target("quote", "calls/s", "fastapi", 10),
    Target("quote", "calls/s", "moleculer", 0.7),
    Target("service", "requests/s", "fastapi", 2.5),
    Target("service", "requests/s", "bare", 0.5),
    Target("gateway", "requests/s", "envoy", 0.75),
)


def judged(rounds: Mapping[str, Sequence[Round]]) -> str:
    """A row a target of these benchmarks (kind -> rounds), as far as it was measured; "" if none was."""
    rows = [row for target in TARGETS for row in _row(target, rounds.get(target.kind, ()))]
    return "\n".join([HEAD, *rows]) if rows else ""


def ratios(target: Target, rounds: Sequence[Round]) -> list[float]:
    """One for each turn: what is measured side by side meets the same moods of the machine."""
    own = [one.figures.get(target.figure, 0.0) for one in rounds if one.candidate == "atoll"]
    other = [one.figures.get(target.figure, 0.0) for one in rounds if one.candidate == target.beside]
    return [ours / theirs for ours, theirs in zip(own, other, strict=False) if theirs]  # a last turn may be half done


def _row(target: Target, rounds: Sequence[Round]) -> Iterator[str]:
    found = ratios(target, rounds)
    if not found:
        return
    middle = statistics.median(found)
    bound = f"{'at least' if target.more else 'at most'} {target.bound:g}"
    spread = f" ({min(found):.2f}-{max(found):.2f})" if len(found) > 1 else ""
    verdict = "reached" if target.reached(middle) else "not reached"
    yield f"| {target.kind}: {target.figure} | {target.beside} | {bound} | {middle:.2f}{spread} | {verdict} |"
