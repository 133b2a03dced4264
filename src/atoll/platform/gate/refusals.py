"""Why a release must not be rolled out: each reason is one line that names whom it would break."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from atoll.contracts.compatibility import Change, Documents, compare, misread
from atoll.contracts.compatibility.documents import only_subjects
from atoll.platform.gate.contract import Contract
from atoll.platform.gate.migrations import migration_refusals, rollback_refusals
from atoll.system import Service, System

OUTSIDE = "callers through the gateway"


@dataclass(frozen=True, slots=True)
class Judgement:
    """What is between two releases. changes: of the contract. misreads: what the new release itself could not use of the
    others. migrations: one line each of what would break or hold up the old release, and, if the new one is
    older, of what it would miss.
    """

    changes: tuple[Change, ...]
    misreads: tuple[Change, ...]
    migrations: tuple[str, ...]

    @property
    def refusals(self) -> tuple[str, ...]:
        """The lines that forbid it: what breaks somebody in the system, and what breaks the release that runs."""
        contract = (*(change for change in self.changes if change.consumers), *self.misreads)
        return (*dict.fromkeys(str(change) for change in contract if change.breaking), *self.migrations)

    @property
    def breaking(self) -> tuple[str, ...]:
        """The same, and what breaks nobody that is known: for who does not know all consumers."""
        every = tuple(str(change) for change in (*self.changes, *self.misreads) if change.breaking)
        return (*dict.fromkeys(every), *self.migrations)


def judge(old: Contract, new: Contract, uses: Iterable[Documents] = ()) -> Judgement:
    """The new release beside the old one and beside the others. uses: of `uses_of`. Trouble if squawk cannot be asked."""
    others = tuple(uses)
    return Judgement(
        compare(old.documents, new.documents, others),
        misread(new.documents, others),
        (*migration_refusals(old, new), *rollback_refusals(old, new)),
    )


def refusals(old: Contract, new: Contract, uses: Iterable[Documents] = ()) -> tuple[str, ...]:
    """Why the new release must not be rolled out beside the old one; empty if it may be."""
    return judge(old, new, uses).refusals


def uses_of(system: System, old: Contract, known: Iterable[Contract]) -> tuple[Documents, ...]:
    """Who uses the service of ``old``: the other services by their contracts, or by system.py; and who is outside.

    known: the contracts of the others, as they run; a service without one is known by what system.py declares.
    """
    service = old.documents.service
    contracts = {one.documents.service: one.documents for one in known}
    return (*_inside(system, service, contracts), *_outside(system, old.documents))


def _inside(system: System, service: str, contracts: dict[str, Documents]) -> Iterator[Documents]:
    for other in system.services:
        if other.name == service:
            continue
        documents = contracts.get(other.name)
        yield (
            only_subjects(other.name, other.consumes, other.calls) if documents is None else _declared(other, documents)
        )


def _declared(service: Service, documents: Documents) -> Documents:
    """With what system.py says of a service whose own documents don't: whom a program in another language calls."""
    calls: dict[str, Any] = {} if service.serve else {callee: {} for callee in service.calls}
    return Documents(documents.service, documents.openapi, documents.asyncapi, {**calls, **documents.calls})


def _outside(system: System, old: Documents) -> Iterator[Documents]:
    """Clients know no more than the document; they call what the gateway lets in."""
    if system.gateway is None:
        return
    names = {
        operation.qualified
        for route in system.gateway.routes
        if not isinstance(route.target, str)
        for operation in route.target.operations_
    }
    prefixed = any(isinstance(route.target, str) and route.to == old.service for route in system.gateway.routes)
    view = old.openapi if prefixed else _only(old.openapi, names)
    if view.get("paths"):
        yield Documents(OUTSIDE, calls={old.service: view})


def _only(openapi: Any, names: set[str]) -> dict[str, Any]:
    paths = {
        path: {method: parts for method, parts in methods.items() if parts.get("operationId") in names}
        for path, methods in openapi.get("paths", {}).items()
    }
    return {**openapi, "paths": {path: methods for path, methods in paths.items() if methods}}
