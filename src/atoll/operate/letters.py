"""Dead letters of all services: find, understand, redrive, drop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from atoll.contracts import Conflict, NotFound
from atoll.data import Database
from atoll.messaging import DeadLetter, DeadLetters, Letters
from atoll.messaging.dead_letters import Fate, Waiting
from atoll.operate.databases import Databases

AT_ONCE = 500  # letters redriven or dropped in one transaction


@dataclass(frozen=True, slots=True)
class LetterOf:
    """A dead letter and whose it is. Its name, ``payments/3``, is what commands take."""

    service: str
    letter: DeadLetter

    @property
    def name(self) -> str:
        """service/id."""
        return f"{self.service}/{self.letter.id}"


@dataclass(frozen=True, slots=True)
class LetterDetail:
    """waiting: what is parked of its key now, in order."""

    of: LetterOf
    waiting: Sequence[Waiting]


async def list_letters(databases: Databases, which: Letters, *, service: str = "", limit: int = 100) -> list[LetterOf]:
    """The oldest ones of each service, or of one, ``limit`` of each; by the time of their death."""

    async def read(owner: str, database: Database) -> list[LetterOf]:
        return [LetterOf(owner, letter) for letter in await DeadLetters(database).list(which, limit=limit)]

    found = await databases.ask(read, service)
    return sorted((one for some in found.values() for one in some), key=lambda one: (one.letter.died_at, one.name))


async def show_letter(databases: Databases, service: str, letter_id: int) -> LetterDetail:
    """All that is known of one. NotFound; Conflict says what became of one that was redriven or dropped."""
    async with databases.of(service) as database:
        letters = DeadLetters(database)
        letter = await _get(letters, service, letter_id)
        return LetterDetail(LetterOf(service, letter), await letters.waiting(letter))


async def redrive(databases: Databases, service: str, letter_id: int) -> DeadLetter:
    """Gives it to its handler again. NotFound; Conflict if that was done before, or its message was handled since."""
    async with databases.of(service) as database:
        letters = DeadLetters(database)
        letter = await _get(letters, service, letter_id)
        if await letters.redrive(letter_id):
            return letter
        await _get(letters, service, letter_id)  # somebody else was quicker
        raise Conflict(
            f"{service}/{letter_id} came again after its death and was handled then; nothing is left to do but to drop it"
        )


async def redrive_all(databases: Databases, which: Letters, *, service: str = "") -> dict[str, int]:
    """Gives all of them to their handlers again; how many, by service. Those that were handled since stay."""
    return await databases.ask(lambda _, database: _each(database, which, redriven=True), service)


async def drop(databases: Databases, service: str, letter_id: int) -> DeadLetter:
    """Deletes it for good. NotFound; Conflict if it is no dead letter any more."""
    async with databases.of(service) as database:
        letters = DeadLetters(database)
        letter = await _get(letters, service, letter_id)
        if not await letters.drop(letter_id):
            await _get(letters, service, letter_id)
        return letter


async def drop_all(databases: Databases, which: Letters, *, service: str = "") -> dict[str, int]:
    """Deletes all of them for good; how many, by service."""
    return await databases.ask(lambda _, database: _each(database, which, redriven=False), service)


async def _each(database: Database, which: Letters, *, redriven: bool) -> int:
    """Page by page; what dies again meanwhile has a new id behind all of them, and is left for the next time."""
    letters = DeadLetters(database)
    last, done, after = await letters.newest(), 0, 0
    while page := [one.id for one in await letters.list(which, after=after, limit=AT_ONCE) if one.id <= last]:
        done += await (letters.redrive(*page) if redriven else letters.drop(*page))
        after = page[-1]
    return done


async def _get(letters: DeadLetters, service: str, letter_id: int) -> DeadLetter:
    try:
        return await letters.get(letter_id)
    except NotFound:
        fate = await letters.fate(letter_id)
        if fate is None:
            raise NotFound(
                f"there is no dead letter {service}/{letter_id}; look with 'atoll dead-letters list'"
            ) from None
    raise Conflict(f"{service}/{letter_id} was {fate.outcome} at {_time(fate.at)}{_since_then(service, fate)}")


def _since_then(service: str, fate: Fate) -> str:
    if fate.now == "handled":
        return f" and handled at {_time(fate.handled_at)}; nothing is left to do" if fate.handled_at else " and handled"
    if fate.now == "waiting":
        return " and waits for its attempts; nothing was changed"
    return f" and died again: it is {service}/{fate.again} now" if fate.now == "dead" else "; it is gone for good"


def _time(moment: datetime) -> str:
    return moment.astimezone().isoformat(timespec="seconds")
