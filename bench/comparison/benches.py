"""All benchmarks by name, and what each compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from bench.comparison.candidate import Candidate
from bench.comparison.candidates import CANDIDATES
from bench.comparison.many import services
from bench.comparison.measure import Found, Work, whole_system
from bench.comparison.parts import layers, messaging, startup, telemetry, ways
from bench.comparison.proxies import PROXIES, gateway
from bench.comparison.scale import instances, rows, waiting
from bench.comparison.servers import SERVERS, service

LASTS = "{seconds:g} s, {connections} connections"


@dataclass(frozen=True)
class Entrant:
    """measure: one round of it. missing: what it lacks here, in one line, or ""."""

    name: str
    measure: Callable[[Work], Found]
    missing: Callable[[], str] = lambda: ""


@dataclass(frozen=True)
class Bench:
    """own: those that always take part. against: those that do if nobody says otherwise. chart: the figure to draw.

    page: of docs/, which the results are written into. asked: how much it does.
    """

    kind: str
    title: str
    entrants: Sequence[Entrant]
    chart: str
    own: tuple[str, ...] = ("atoll",)
    against: tuple[str, ...] = ()
    requests: int = 10_000
    seconds: float = 0.0
    rounds: int = 3
    asked: str = "{requests}, {connections} connections"
    page: str = "performance.md"


def systems(*names: str) -> list[Entrant]:
    return [system(CANDIDATES[name]) for name in names]


def system(candidate: Candidate) -> Entrant:
    return Entrant(candidate.name, partial(whole_system, candidate), candidate.missing)


def sizes(measure: Callable[[int, Work], Found], unit: str, counts: Sequence[int]) -> list[Entrant]:
    """An entrant a size."""
    return [Entrant(f"{count} {unit}", partial(measure, count)) for count in counts]


def scale(kind: str, title: str, entrants: Sequence[Entrant], chart: str, left_out: int = 0, **options: Any) -> Bench:
    """A benchmark of docs/scale.md. left_out: so many of the largest sizes are measured only if asked for."""
    standard = tuple(one.name for one in entrants[: len(entrants) - left_out])
    return Bench(kind, title, entrants, chart, (), standard, 5_000, page="scale.md", **options)


_ALL = (
    Bench(
        "checkout", "Checkout: an order through the gateway until it is confirmed", systems(*CANDIDATES),
        "confirmed/s", against=("floor",),
    ),
    Bench(
        "quote", "Quote: a call with one inner call, without a write",
        systems(*(name for name in CANDIDATES if name != "atoll-dashboard")), "calls/s", against=("floor",),
    ),
    Bench(
        "gateway", "Gateway: a routed GET",
        [Entrant(name, partial(gateway, name), proxy.missing) for name, proxy in PROXIES.items()],
        "requests/s", against=("envoy",), seconds=5.0, asked=LASTS,
    ),
    Bench(
        "service", "Service: one typed POST on uvicorn", [Entrant(name, partial(service, name)) for name in SERVERS],
        "requests/s", against=tuple(name for name in SERVERS if name != "atoll"), seconds=5.0, asked=LASTS,
    ),
    Bench("messaging", "Messaging: events from a transaction to a handler", [Entrant("atoll", messaging)],
        "relay: outbox -> broker, acknowledged and marked /s", requests=20_000, asked="{count:,} events"),
    Bench("layers", "Layers: microseconds that each adds to a call", [Entrant("atoll", layers)],
        "waits once: server, default us", requests=20_000, asked="{count:,} calls of each in one process"),
    Bench("startup", "Startup: the whole shop on one machine", [Entrant("atoll", startup)],
        "first start: all ready, s", asked="one order after each start"),
    Bench(
        "telemetry", "Telemetry: one typed POST with it off and on",
        [Entrant(name, partial(telemetry, name)) for name in ways("")], "requests/s", own=tuple(ways("")), seconds=3.0,
        asked=LASTS,
    ),
)  # fmt: skip
_SCALE = (
    scale(
        "scale-instances", "Checkout with more instances of each service", sizes(instances, "each", (1, 2, 4)),
        "confirmed/s",
    ),
    scale(
        "scale-services", "A system of more services", sizes(services, "services", (1, 5, 10, 25, 50)), "all ready, s",
        left_out=1, asked="each started twice",
    ),
    scale(
        "scale-outbox", "Rows waiting in the outbox", sizes(waiting, "rows", (1_000, 10_000, 100_000, 1_000_000)),
        "published/s", seconds=20.0, asked="200 transactions; published for {seconds:g} s at most",
    ),
    scale(
        "scale-rows", "Checkout with more rows in the tables",
        sizes(rows, "rows", (0, 100_000, 1_000_000, 10_000_000)), "confirmed/s", left_out=1,
    ),
)  # fmt: skip
STANDARD = tuple(bench.kind for bench in _ALL)
SCALE = tuple(bench.kind for bench in _SCALE)
BENCHES = {bench.kind: bench for bench in (*_ALL, *_SCALE)}
