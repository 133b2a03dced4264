"""Rollouts on this machine: the engine, the shelf and the gate put together."""

from __future__ import annotations

from atoll.platform.local.fleet import LocalFleet
from atoll.platform.local.folder import Folder
from atoll.platform.local.programs import TREE
from atoll.platform.local.telling import Teller
from atoll.platform.release import Shelf
from atoll.platform.rollout import Engine, FolderJournal, Gate, RealClock, Rollout, Rollouts
from atoll.system import System


class OnShelf:
    """The releases that can be rolled out: those on the shelf, and the working tree."""

    def __init__(self, shelf: Shelf) -> None:
        self._shelf = shelf

    def resolve(self, service: str, release: str) -> str:
        """The whole id. Trouble if there is none, or more than one."""
        return release if release == TREE else self._shelf.get(service, release).id


def rollouts_of(
    system: System, folder: Folder, fleet: LocalFleet, shelf: Shelf, gate: Gate, teller: Teller
) -> Rollouts:
    """The rollouts of a system that runs here; what they do is told as other things are."""
    engine = Engine(fleet, FolderJournal(folder.rollouts), RealClock())
    return Rollouts(system, engine, OnShelf(shelf), gate, _Told(teller))


class _Told:
    """Tells of each phase once."""

    def __init__(self, teller: Teller) -> None:
        self._teller = teller
        self._last: dict[str, object] = {}

    def __call__(self, rollout: Rollout) -> None:
        at = (rollout.number, rollout.phase, rollout.share)
        if self._last.get(rollout.service) == at:
            return
        self._last[rollout.service] = at
        text = f"{rollout.service}: rollout {rollout.number} of {rollout.release}: {rollout.phase}, {rollout.share} %"
        self._teller.note(rollout.service, f"{text}; {rollout.reason}" if rollout.reason else text)
