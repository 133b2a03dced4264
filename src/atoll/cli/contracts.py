"""What ``atoll contract`` and ``atoll check`` compare the working tree with, and what comes of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.cli.client import Client
from atoll.platform.gate import Contract, Judgement, judge, read_contract, uses_of
from atoll.platform.local.as_it_runs import AsItRuns
from atoll.platform.local.programs import TREE
from atoll.platform.release import Shelf
from atoll.system import Service, System, Trouble


class NothingToCompare(Exception):
    """One line: there is no other release, and what to do."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """against: what the working tree was compared with. fixtures, unread: how many stored events were read, and which not."""

    service: str
    against: str
    judgement: Judgement
    fixtures: int
    unread: tuple[str, ...]

    @property
    def changed(self) -> bool:
        """Whether there is anything to tell."""
        judgement = self.judgement
        return bool(judgement.changes or judgement.misreads or judgement.migrations or self.unread)

    def refusals(self, *, strict: bool = False) -> tuple[str, ...]:
        """What forbids it."""
        return (*(self.judgement.breaking if strict else self.judgement.refusals), *self.unread)


def compared(file: Path, system: System, service: Service, against: str | None = None) -> Comparison:
    """The working tree's service beside another release of it. NothingToCompare if there is none."""
    runs = as_it_runs(file, system)
    old, said = _other(runs, service, against)
    new = runs.contract(service.name, TREE)
    if new is None:
        raise NothingToCompare(f"{service.name} is no atoll service (it has no serve=...), so nothing is known of it")
    judgement = judge(old, new, uses_of(system, old, runs.others(service.name)))
    fixtures, unread = _fixtures(system, file.parent, service)
    return Comparison(service.name, said, judgement, fixtures, unread)


def as_it_runs(file: Path, system: System) -> AsItRuns:
    """The system beside the file: what its ledger calls stable, and its instances and databases if it runs."""
    client = Client(file)
    stable = client.folder.read_state().stable if client.folder.path.exists() else {}
    running = client.runs and bool(client.folder.read_state().control)
    urls, databases = (_instances(client), _databases(file)) if running else ({}, {})
    return AsItRuns(
        system, file.parent, Shelf.beside(file),
        lambda name: stable.get(name, TREE), lambda name: urls.get(name, ()), lambda name: databases.get(name, ""),
    )  # fmt: skip


def _instances(client: Client) -> dict[str, Sequence[str]]:
    services: dict[str, Any] = client.status()["services"]
    return {
        name: [one["url"] for one in found["instances"] if one.get("release", TREE) == TREE and one["state"] == "ready"]
        for name, found in services.items()
    }


def _databases(file: Path) -> dict[str, str]:
    from atoll.cli.databases import running_database_urls

    return dict(running_database_urls(file))


def _other(runs: AsItRuns, service: Service, against: str | None) -> tuple[Contract, str]:
    if against not in (None, "running", "shelf"):
        return _in_folder(Path(against), service.name), against
    if against in (None, "running") and (found := _running(runs, service)) is not None:
        return found, f"{found.label}, which {'runs' if runs.urls(service.name) else 'is the stable release'}"
    if against in (None, "shelf"):
        for release in runs.shelf.all(service.name)[:1]:
            return read_contract(release.contract, service.name, release.line()), release.line()
    folder = runs.snapshot(service.name)
    if against is None and folder.is_dir():
        return read_contract(folder, service.name), str(folder)
    where = {"running": "it does not run", "shelf": "there is no release on the shelf"}.get(
        against or "", "it does not run, there is no release on the shelf, and no snapshot"
    )
    raise NothingToCompare(
        f"{service.name}: there is nothing to compare with: {where}; "
        f"'atoll contract snapshot {service.name}' writes {folder}, for you to commit"
    )


def _in_folder(folder: Path, service: str) -> Contract:
    """A wrong folder would let everything pass."""
    found = read_contract(folder, service)
    titles = {
        str(one["info"].get("title", ""))
        for one in (found.documents.openapi, found.documents.asyncapi)
        if "info" in one
    }
    if not titles:
        raise NothingToCompare(
            f"{folder} holds no openapi.json or asyncapi.json of {service}; name the folder of its contract"
        )
    if service not in titles:
        raise NothingToCompare(
            f"{folder} is of {', '.join(sorted(titles))}, not of {service}; name the folder of its contract"
        )
    return found


def _running(runs: AsItRuns, service: Service) -> Contract | None:
    """What runs: a release that is the stable one, or instances of the working tree, which may be behind it."""
    if runs.stable(service.name) != TREE or runs.urls(service.name):
        return runs.running(service.name)
    return None


def _fixtures(system: System, root: Path, service: Service) -> tuple[int, tuple[str, ...]]:
    """Every event that is kept as an example, read by today's code: how many, and one line for each that cannot be."""
    from atoll.platform.local.fixtures import read_fixtures

    try:
        return read_fixtures(system, root, service)
    except Trouble as trouble:
        return 0, (str(trouble),)
