"""What is wrong with the promises of a system: nobody could keep them, or nobody could measure them."""

from __future__ import annotations

from collections.abc import Iterator

from atoll.system.model import Service, Slo, System

# Bounds of http.server.request.duration, from OpenTelemetry's semantic conventions: how many were within is known there alone.
BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)


def check_slos(system: System) -> Iterator[tuple[str, str]]:
    """(place, text) of each mistake."""
    first: dict[str, Slo] = {}
    for slo in system.slos:
        label = f"Slo {slo.name!r}"
        for text in (*_target(slo, system), *_numbers(slo)):
            yield slo.place, f"{label}: {text}"
        twin = first.setdefault(slo.name, slo)
        if twin is not slo:
            yield slo.place, f"{label} is there already ({twin.place}); keep one of them"


def service_of(slo: Slo, system: System) -> str:
    """The name of the service that has to keep it; empty if there is none."""
    for service in system.services:
        if _keeps(service, slo):
            return service.name
    return ""


def _keeps(service: Service, slo: Slo) -> bool:
    if isinstance(slo.target, str):
        return service.name == slo.target
    return slo.target.api in service.offers


def _target(slo: Slo, system: System) -> Iterator[str]:
    if service_of(slo, system):
        return
    if isinstance(slo.target, str):
        yield f"there is no such service; known are {', '.join(sorted(one.name for one in system.services)) or 'none'}"
    else:
        yield f"no service offers {slo.target.api.__name__}; add it to the offers of one"


def _numbers(slo: Slo) -> Iterator[str]:
    for name in ("availability", "quick"):
        percent = getattr(slo, name)
        if not 0 < percent < 100:
            yield f"{name} is {percent:g} %; it must be more than 0 and less than 100, such as 99.9"
    if slo.latency and slo.latency not in BOUNDS:
        nearest = min(BOUNDS, key=lambda bound: abs(bound - slo.latency))
        yield f"latency is {slo.latency:g} s, which no histogram tells; take {nearest:g}, the nearest of their bounds"
    if not slo.days > 0:
        yield f"days is {slo.days:g}; it must be more than 0"
