"""All benchmarks by name, and what each compares."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from bench.comparison.candidate import Candidate
from bench.comparison.candidates import CANDIDATES
from bench.comparison.measure import Found, Work, whole_system
from bench.comparison.parts import layers, messaging, startup, telemetry, ways
from bench.comparison.proxies import PROXIES, gateway
from bench.comparison.servers import SERVERS, service


@dataclass(frozen=True)
class Entrant:
    """measure: one round of it. missing: what it lacks here, in one line, or ""."""

    name: str
    measure: Callable[[Work], Found]
    missing: Callable[[], str] = lambda: ""


@dataclass(frozen=True)
class Bench:
    """own: those that always take part. against: those that do if nobody says otherwise. chart: the figure to draw."""

    kind: str
    title: str
    entrants: Sequence[Entrant]
    chart: str
    own: tuple[str, ...] = ("atoll",)
    against: tuple[str, ...] = ()
    requests: int = 10_000
    seconds: float = 0.0
    rounds: int = 3


def systems(*names: str) -> list[Entrant]:
    return [system(CANDIDATES[name]) for name in names]


def system(candidate: Candidate) -> Entrant:
    return Entrant(candidate.name, partial(whole_system, candidate), candidate.missing)


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
        "requests/s", against=("envoy",), seconds=5.0,
    ),
    Bench(
        "service", "Service: one typed POST on uvicorn", [Entrant(name, partial(service, name)) for name in SERVERS],
        "requests/s", against=tuple(name for name in SERVERS if name != "atoll"), seconds=5.0,
    ),
    Bench("messaging", "Messaging: events from a transaction to a handler", [Entrant("atoll", messaging)],
        "relay: outbox -> broker, acknowledged and marked /s", requests=20_000),
    Bench("layers", "Layers: microseconds that each adds to a call", [Entrant("atoll", layers)],
        "waits once: server, default us", requests=20_000),
    Bench("startup", "Startup: the whole shop on one machine", [Entrant("atoll", startup)],
        "first start: all ready, s"),
    Bench(
        "telemetry", "Telemetry: one typed POST with it off and on",
        [Entrant(name, partial(telemetry, name)) for name in ways("")], "requests/s", own=tuple(ways("")), seconds=3.0,
    ),
)  # fmt: skip
BENCHES = {bench.kind: bench for bench in _ALL}
