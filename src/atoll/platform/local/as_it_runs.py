"""The contracts of a system's services as they run: from the shelf, from the working tree, from what instances say."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from atoll.platform.gate import Contract, Judgement, judge, read_contract, uses_of
from atoll.platform.gate.contract import contract_of
from atoll.platform.local.asking import ask
from atoll.platform.local.asyncpg import applied_revisions
from atoll.platform.local.programs import TREE
from atoll.platform.release import Shelf
from atoll.system import Service, System

_LIMIT = 5.0  # seconds for an instance to say what it serves
_SERVED = ("openapi.json", "asyncapi.json")
SNAPSHOT = "contract"  # the folder beside a service's sources


def documents_of_tree(system: System, root: Path, service: Service) -> dict[str, dict[str, Any]]:
    """By file name, what the working tree's code says of itself. Trouble with its own line if it refuses."""
    told: dict[str, Any] = json.loads(ask(system, root, service, "--release").splitlines()[-1])
    documents: dict[str, dict[str, Any]] = told["documents"]
    return documents


@dataclass(frozen=True, slots=True)
class AsItRuns:
    """root: folder of system.py. stable: service -> the release that runs. urls: service -> base URLs of instances of the
    working tree; database: service -> its database's URL; both may know nothing.
    """

    system: System
    root: Path
    shelf: Shelf
    stable: Callable[[str], str]
    urls: Callable[[str], Sequence[str]] = lambda _: ()
    database: Callable[[str], str] = lambda _: ""

    def contract(self, service: str, release: str) -> Contract | None:
        """Of that release; the working tree counts as it is now. None for a foreign service that says nothing of itself."""
        if release != TREE:
            found = self.shelf.get(service, release)
            return read_contract(found.contract, service, f"{service} {found.version} ({found.id})".replace("  ", " "))
        one = self.system.service(service)
        if not one.serve:
            return None
        return contract_of(documents_of_tree(self.system, self.root, one), service)

    def running(self, service: str) -> Contract | None:
        """Of the stable release. The working tree may be ahead of the processes that it started: those are asked.

        While none of them runs, a snapshot that is committed says what was released last.
        """
        release = self.stable(service)
        if release == TREE and not self.urls(service) and (kept := self.snapshot(service)).is_dir():
            return read_contract(kept, service)
        contract = self.contract(service, release)
        if contract is None or release != TREE:
            return contract
        served = self._served(service)
        documents = replace(
            contract.documents,
            openapi=served.get("openapi.json", contract.documents.openapi),
            asyncapi=served.get("asyncapi.json", contract.documents.asyncapi),
        )
        label = f"{service} {contract.version} ({TREE})"
        return replace(contract, label=label, documents=documents, migrations=self._applied(service, contract))

    def snapshot(self, service: str) -> Path:
        """The folder where the service's own snapshot is committed; it may be missing."""
        return self.root / self.system.service(service).source / SNAPSHOT

    def others(self, service: str) -> tuple[Contract, ...]:
        """Those of all the other services."""
        names = [one.name for one in self.system.services if one.name != service]
        with ThreadPoolExecutor(max(1, len(names))) as many:
            return tuple(found for found in many.map(self.running, names) if found is not None)

    def _served(self, service: str) -> dict[str, dict[str, Any]]:
        for url in self.urls(service):
            found = {name: _fetched(f"{url.rstrip('/')}/{name}") for name in _SERVED}
            return {name: document for name, document in found.items() if document}
        return {}

    def _applied(self, service: str, contract: Contract) -> Any:
        """The migrations up to the one that the database has."""
        url = self.database(service)
        if not url or not contract.migrations:
            return contract.migrations
        newest = asyncio.run(applied_revisions(url))
        last = max((at for at, one in enumerate(contract.migrations, 1) if one.revision in newest), default=0)
        return contract.migrations[:last] if newest else ()


class ReleaseGate:
    """Refuses what would break the release that runs, or those who use it."""

    def __init__(self, system: AsItRuns) -> None:
        self._as_it_runs = system

    async def refusals(self, service: str, old: str, new: str) -> tuple[str, ...]:
        """Why the new release must not run beside the old one, one line each that names whom it would break."""
        return await asyncio.to_thread(self._refusals, service, old, new)

    def _refusals(self, service: str, old: str, new: str) -> tuple[str, ...]:
        found = self.judgement(service, old, new)
        return found.refusals if found is not None else ()

    def judgement(self, service: str, old: str, new: str) -> Judgement | None:
        """The whole of it; None for a foreign service that says nothing of itself."""
        runs = self._as_it_runs
        before = runs.running(service) if old == runs.stable(service) else runs.contract(service, old)
        after = runs.contract(service, new)
        if before is None or after is None:
            return None
        return judge(before, after, uses_of(runs.system, before, runs.others(service)))


def _fetched(url: str) -> dict[str, Any]:
    """{} for a document that the instance does not serve, and if it does not answer: then the code is what is known."""
    try:
        with urllib.request.urlopen(url, timeout=_LIMIT) as answer:  # noqa: S310 - an address of our own registry
            found = json.load(answer)
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
