"""Which releases are in use: by what runs, by what the next `up` would run, and by rollouts."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atoll.cli.client import Client
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.platform.rollout.journal import FolderJournal
    from atoll.platform.rollout.records import Rollout


@dataclass(frozen=True, slots=True)
class InUse:
    """stable: service -> its stable release, where that is not the tree. running: (service, release) -> instances."""

    stable: dict[str, str]
    running: Counter[tuple[str, str]]
    journal: FolderJournal

    @classmethod
    def of(cls, file: Path) -> InUse:
        """Of the system beside that file, whether it runs or not."""
        from atoll.platform.rollout.journal import FolderJournal

        client = Client(file)
        state = client.folder.read_state()
        running: Counter[tuple[str, str]] = Counter()
        if client.runs and state.control:
            for name, service in client.status()["services"].items():
                running.update((name, instance["release"]) for instance in service["instances"])
        return cls(dict(state.stable), running, FolderJournal(client.folder.path / "rollouts"))

    def instances(self, service: str, release: str) -> int:
        """How many instances of it run."""
        return self.running[service, release]

    def ids(self, service: str) -> frozenset[str]:
        """The releases that must stay: those that run, the stable one, and both sides of a rollout that is not over."""
        ids = {release for name, release in self.running if name == service}
        ids.add(self.stable.get(service, ""))
        latest = self.journal.latest(service)
        if latest is not None and not latest.over:
            ids |= {latest.release, latest.stable}
        return frozenset(ids)

    def notes(self, service: str, release: str) -> list[str]:
        """A line for each rollout of the release, the oldest first."""
        from atoll.platform.rollout.journal import readable

        rollouts = [*readable(self.journal, service)]
        return [_note(one) for one in reversed(rollouts) if one.release == release]


def _note(rollout: Rollout) -> str:
    """What is said of a promoted one as its reason is true of that moment alone."""
    return rollout.phase if rollout.phase == "promoted" or not rollout.reason else f"{rollout.phase}: {rollout.reason}"


def require_nothing_left_over(file: Path) -> None:
    """Trouble while processes of a supervisor that is gone go on: nobody knows which release they are of."""
    client = Client(file)
    if not client.runs and (left := client.left_over()):
        raise Trouble(
            f"{file.parent}: processes of an earlier start go on ({left}); "
            "run 'atoll up' or 'atoll down' first, for they may be of a release that would be removed"
        )
