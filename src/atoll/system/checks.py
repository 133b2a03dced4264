"""What is wrong with a system, before anything starts: each finding is one line that names the place in system.py."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from atoll.contracts.events import SUBJECT
from atoll.contracts.operations import RateLimit
from atoll.system.events import ServiceEvents, event_findings, event_notes
from atoll.system.model import Part, Service, System
from atoll.system.promises import check_slos
from atoll.system.rollout import check_rollouts
from atoll.system.routes import check_routes
from atoll.system.servers import KINDS, location, servers

_NAME = re.compile(r"^[a-z][a-z0-9]*(-[a-z0-9]+)*$")
_REFERENCE = re.compile(r"^[A-Za-z_][\w.]*:[A-Za-z_][\w.]*$")
_PLACEHOLDER = re.compile(r"(?<!\$)\{([a-z][a-z_]*)\}")  # neither JSON nor a variable of the shell
_LONGEST_NAME = 40  # with the system's name before it, it stays below PostgreSQL's 63
RESERVED = frozenset(
    {"gateway", "envoy", "supervisor", "dashboard", "template0", "template1", *(kind.name for kind in KINDS.values())}
)


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to put right. place: ``system.py:31``. text: what is wrong and what to do."""

    place: str
    text: str

    def __str__(self) -> str:
        return f"{self.place}: {self.text}"


Check = Callable[[System], Iterator[tuple[str, str]]]


def check(system: System, folder: Path | None = None) -> tuple[Finding, ...]:
    """All findings, in the order of the file's lines. folder: that of system.py, to look for the services' sources."""
    found = [Finding(place, text) for part in CHECKS for place, text in part(system)]
    if folder is not None:
        found += [Finding(place, text) for place, text in _sources(system, folder)]
    return tuple(sorted(set(found), key=_by_line))


def check_events(services: Sequence[ServiceEvents]) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """What is wrong between those who publish events and those who consume them, and what may be meant so."""
    found = (event_findings(services), event_notes(services))
    findings, notes = (tuple(sorted({Finding(*one) for one in some}, key=_by_line)) for some in found)
    return findings, notes


def _by_line(finding: Finding) -> tuple[str, int, str]:
    file, _, line = finding.place.rpartition(":")
    return file, int(line) if line.isdigit() else 0, finding.text


def _names(system: System) -> Iterator[tuple[str, str]]:
    if not _good_name(system.name):
        yield system.place, f"System {system.name!r}: {_NAME_RULE}"
    first: dict[str, Service] = {}
    for service in system.services:
        if not _good_name(service.name):
            yield service.place, f"Service {service.name!r}: {_NAME_RULE}"
        if service.name in RESERVED:
            yield service.place, f"Service {service.name!r}: the name belongs to a part of the system; take another"
        twin = first.setdefault(service.name, service)
        if twin is not service:
            yield (
                service.place,
                f"Service {service.name!r} is there already ({twin.place}); give one of them another name",
            )


_NAME_RULE = f"a name is a lower-case word of at most {_LONGEST_NAME} letters, digits and single hyphens; change it"


def _good_name(name: str) -> bool:
    return len(name) <= _LONGEST_NAME and _NAME.match(name) is not None


def _kinds(system: System) -> Iterator[tuple[str, str]]:
    for service in system.services:
        given = [kind for kind in ("serve", "asgi", "command") if getattr(service, kind)]
        if len(given) != 1:
            what = f"has {' and '.join(given)}" if given else "has none of serve, asgi, command"
            yield service.place, f"Service {service.name!r} {what}; give exactly one"
        for kind in ("serve", "asgi"):
            reference = getattr(service, kind)
            if reference and not _REFERENCE.match(reference):
                yield (
                    service.place,
                    f"Service {service.name!r}: {kind}={reference!r} must be like 'package.module:attribute'",
                )
        if service.instances < 1:
            yield service.place, f"Service {service.name!r}: instances is {service.instances}; it must be 1 or more"
        if service.health and not service.health.startswith("/"):
            yield (
                service.place,
                f"Service {service.name!r}: health={service.health!r} must be a path such as '/health/ready'",
            )


def _calls(system: System) -> Iterator[tuple[str, str]]:
    names = {service.name for service in system.services}
    for service in system.services:
        for callee in service.calls:
            if callee == service.name:
                yield service.place, f"Service {service.name!r} calls itself; take {callee!r} out of its calls"
            elif callee not in names:
                yield (
                    service.place,
                    f"Service {service.name!r} calls {callee!r}, which is not a service; {_known(names)}",
                )


def _known(names: set[str]) -> str:
    return f"known are {', '.join(sorted(names))}" if names else "there are no services"


def _parts(system: System) -> Iterator[tuple[str, str]]:
    for service in system.services:
        if service.database and system.postgres is None:
            yield (
                service.place,
                f"Service {service.name!r} has a database, but the system has no postgres; add postgres=Postgres()",
            )
        if service.events and system.broker is None:
            yield (
                service.place,
                f"Service {service.name!r} has events, but the system has no broker; add broker=Nats() (or RabbitMQ(), Kafka())",
            )
    for part in servers(system):
        yield from _address(part)


def _events(system: System) -> Iterator[tuple[str, str]]:
    for service in system.services:
        for name in ("publishes", "consumes"):
            for subject in getattr(service, name):
                if not SUBJECT.fullmatch(subject):
                    yield (
                        service.place,
                        f"Service {service.name!r}: {name} has {subject!r}, which is no subject; write one like 'order.created'",
                    )


def _address(part: Part) -> Iterator[tuple[str, str]]:
    if part.address:
        try:
            location(part)
        except ValueError as error:
            yield part.place, f"{type(part).__name__}: {error}"


def _ports(system: System) -> Iterator[tuple[str, str]]:
    gateway = system.gateway
    if gateway is not None and not 0 <= gateway.port <= 65535:
        yield gateway.place, f"Gateway: port {gateway.port} is not a port; take one of 1 to 65535, or 0 for a free one"
    users: dict[tuple[str, int], str] = {}
    for name, host, port, place in _listeners(system):
        if port and (taken := users.setdefault((host, port), name)) != name:
            yield place, f"{name}: port {port} is {taken}'s already; give one of them another"


def _listeners(system: System) -> Iterator[tuple[str, str, int, str]]:
    for part in servers(system):
        if part.address and not any(_address(part)):
            host, port = location(part)
            yield type(part).__name__, _host(host), port, part.place
    if system.gateway is not None:
        yield "Gateway", _host(system.gateway.address), system.gateway.port, system.gateway.place


def _host(name: str) -> str:
    return "127.0.0.1" if name in {"localhost", "0.0.0.0", "::1", "::"} else name


def _limits(system: System) -> Iterator[tuple[str, str]]:
    gateway = system.gateway
    if gateway is None:
        return
    if gateway.body_limit < 1:
        yield gateway.place, f"Gateway: body_limit is {gateway.body_limit}; it must be at least 1 byte"
    limits: list[tuple[str, RateLimit | None]] = [(gateway.place, gateway.rate_limit)]
    limits += [(route.place, route.rate_limit) for route in gateway.routes]
    for place, limit in limits:
        if limit is not None and (limit.requests < 1 or limit.per <= 0):
            yield place, f"RateLimit: {limit.requests} requests per {limit.per} s; both must be more than 0"


def _offers(system: System) -> Iterator[tuple[str, str]]:
    offered: dict[str, list[Service]] = defaultdict(list)
    for service in system.services:
        for api in service.offers:
            offered[f"{api.__module__}.{api.__qualname__}"].append(service)
    for name, services in offered.items():
        if len(services) > 1:
            others = services[0]
            yield (
                services[1].place,
                f"{name.rpartition('.')[2]} is offered by {others.name!r} ({others.place}) too; offer it in one service",
            )


def _sources(system: System, folder: Path) -> Iterator[tuple[str, str]]:
    for service in system.services:
        if service.source and not (folder / service.source).is_dir():
            yield (
                service.place,
                f"Service {service.name!r}: source {service.source!r} is not a folder beside {folder.name}/system.py; correct it",
            )


def _hints(system: System) -> Iterator[tuple[str, str]]:
    for hint in system.hints:
        for name in _PLACEHOLDER.findall(hint):
            if name != "gateway":
                what = f"a hint has {{{name}}}, which stands for nothing"
                remedy = "correct it to {gateway}, or put a space into the braces if they are meant as they stand"
                yield system.place, f"System {system.name!r}: {what}; {remedy}"
            elif system.gateway is None:
                text = "a hint has {gateway}, but there is no gateway; take it out, or add gateway=Gateway(...)"
                yield system.place, f"System {system.name!r}: {text}"


CHECKS: tuple[Check, ...] = (
    _names,
    _kinds,
    _calls,
    _parts,
    _events,
    _ports,
    _limits,
    _offers,
    _hints,
    check_routes,
    check_slos,
    check_rollouts,
)
