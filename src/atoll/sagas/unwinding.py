"""Compensation: what was done is taken back, the last first, each at least once and effective once."""

from __future__ import annotations

from collections.abc import Iterable

from atoll.crash import crash_point
from atoll.sagas.attempts import Attempts
from atoll.sagas.failures import Stuck, Suspended
from atoll.sagas.journal import Journal, Place
from atoll.sagas.run import Undo


class Unwinding:
    """Carries out the compensations of a saga. None expires: each is tried again until it succeeds or is parked."""

    def __init__(self, journal: Journal, attempts: Attempts, patience: float) -> None:
        self._journal = journal
        self._attempts = attempts
        self._patience = patience

    async def __call__(self, undos: Iterable[Undo]) -> None:
        """All of them; `Suspended` until the next attempt of one that failed, `Stuck` when its patience is over."""
        for undo in sorted(undos, key=lambda one: one.position, reverse=True):
            await self._one(undo)

    async def _one(self, undo: Undo) -> None:
        place = Place(f"undo {undo.name}", undo.position, "undo")
        entry = self._journal.entries.get(place.name)
        if entry is not None and entry.state in {"done", "skipped"}:
            return
        due = undo.not_before if entry is None else entry.due
        if due is not None and due > self._journal.now():
            raise Suspended(due)
        try:
            await self._attempts.run(place, undo.action)
        except Exception as error:  # whatever it is, only another attempt or a person can help
            fate: Suspended | Stuck = await self._attempts.later(place, undo.action, error, self._patience)
            raise fate from error
        crash_point("between-compensations")
