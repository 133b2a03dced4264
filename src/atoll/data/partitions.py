"""A fair share of a fixed number of partitions for each instance, by its weight, whoever comes or goes."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from atoll.data.backoff import Backoff
from atoll.data.leases import close, lock_number
from atoll.data.postgres import DRIVER_ERRORS, Connection, listen, on_lost, one_line
from atoll.data.weight import MOST_WEIGHT, Weight
from atoll.service.lifecycle import end

if TYPE_CHECKING:
    from atoll.data.database import Database

log = logging.getLogger("atoll.data")

LOOK_EVERY = 1.0  # seconds between two looks at the other members; notifications make most changes quicker
CHANNEL = "atoll_partitions"
_FIRST_MEMBER = 1 << 20  # lock numbers below it are partitions, those above it are members
_WEIGHT_BITS = 17  # of a member's number: all can see what each of them weighs
ANSWER = 5.0  # seconds for a statement: nobody may believe that it holds what another one has by now
SETTLING = 0.25  # seconds from a change of one's weight to acting on it: the others change theirs at the same time
_LOCKS = """
SELECT objid::bigint AS number, pid = pg_backend_pid() AS mine FROM pg_locks
WHERE locktype = 'advisory' AND granted AND objsubid = 2 AND classid = $1::bigint::oid
  AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""


def fair_shares(partitions: int, weights: Sequence[int]) -> list[int]:
    """How many partitions each member gets, by weight; the largest remainders are rounded up, at equal ones the first's.

    Equal weights get shares that differ by one at most. Where all weights are 0, nobody gets any.
    """
    total = sum(weights)
    if not total:
        return [0] * len(weights)
    shares = [partitions * weight // total for weight in weights]
    by_remainder = sorted(range(len(weights)), key=lambda rank: -(partitions * weights[rank] % total))
    for rank in by_remainder[: partitions - sum(shares)]:
        shares[rank] += 1
    return shares


@dataclass(frozen=True, slots=True)
class Seen:
    """What a look at the locks shows: all members in order, and all partitions that somebody holds."""

    members: tuple[int, ...]
    held: frozenset[int]

    @property
    def weights(self) -> list[int]:
        """The members'."""
        return [member & MOST_WEIGHT for member in self.members]


def to_release(mine: Collection[int], share: int) -> list[int]:
    """Which of my partitions to give up."""
    return sorted(mine)[share:]


def to_take(count: int, seen: Seen, mine: Collection[int], rank: int, share: int) -> list[int]:
    """Which free partitions to try, in an order that differs between members, so that they do not run into each other."""
    free = [number for number in range(count) if number not in seen.held and number not in mine]
    turn = (rank * count) // max(1, len(seen.members))
    free.sort(key=lambda number: (number - turn) % count)
    return free[: max(0, share - len(mine))]


class Partitions:
    """Holds this instance's fair share of ``count`` partitions of ``name``.

    taken: called with a partition that is ours from now on. released: called before one is given up; it returns when
    the work in it is finished. lost: called when the connection is gone, and with it all that we held. weight: this
    instance's, relative to the others'; without one all weigh the same.
    """

    def __init__(
        self,
        database: Database,
        name: str,
        count: int,
        *,
        taken: Callable[[int], None],
        released: Callable[[int], Awaitable[None]],
        lost: Callable[[], Awaitable[None]],
        weight: Weight | None = None,
    ) -> None:
        self._weight = weight or Weight()
        self._database = database
        self._name = name
        self._space = lock_number(f"partitions:{name}", bits=31)
        self._count = count
        self._taken, self._released, self._lost = taken, released, lost
        self._mine: set[int] = set()
        self._changed = asyncio.Event()
        self._weight.on_change(self._changed.set)
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Begins, without waiting for the database."""
        self._task = asyncio.create_task(self._run(), name=f"partitions of {self._name}")

    async def stop(self) -> None:
        """Gives everything up, each partition after its work is finished."""
        await end(self._task)
        self._task = None

    def leave(self) -> None:
        """Gives everything up, for its time is over: nobody waits for that."""
        if self._task is not None:
            self._task.cancel()

    @property
    def mine(self) -> frozenset[int]:
        """The partitions that this instance holds."""
        return frozenset(self._mine)

    async def _run(self) -> None:
        backoff = Backoff(first=0.05, most=2.0)
        while True:
            connection: Connection | None = None
            try:
                connection = await self._database.dedicated(ANSWER)
                member = await self._join(connection)
                backoff.reset()
                await self._balance(connection, member)
            except DRIVER_ERRORS as error:
                log.info("the partitions of %s are given up, the database is away: %s", self._name, one_line(error))
            except (
                Exception
            ):  # this must go on as long as the service lives; whatever it is, it is seen and tried again
                log.exception("holding the partitions of %s failed and starts again", self._name)
            finally:
                await self._let_go(connection)
            await backoff.wait()

    async def _join(self, connection: Connection) -> int:
        on_lost(connection, self._changed.set)
        await listen(connection, CHANNEL, self._changed.set)
        member = await self._enter(connection)
        await self._tell(connection)
        return member

    async def _enter(self, connection: Connection) -> int:
        """A member's number: by chance, and what it weighs."""
        while True:
            chosen = random.randrange(_FIRST_MEMBER >> _WEIGHT_BITS, 2 ** (31 - _WEIGHT_BITS))
            member = chosen << _WEIGHT_BITS | self._weight.value
            if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", self._space, member):
                return member

    async def _weigh_anew(self, connection: Connection, member: int) -> int:
        """Under another number from now on. What it held it holds until it has looked at the others."""
        fresh = await self._enter(connection)
        await connection.execute("SELECT pg_advisory_unlock($1, $2)", self._space, member)
        await asyncio.sleep(SETTLING)
        return fresh

    async def _tell(self, connection: Connection) -> None:
        await connection.execute(f"NOTIFY {CHANNEL}")

    async def _balance(self, connection: Connection, member: int) -> None:
        while True:
            self._changed.clear()
            if member & MOST_WEIGHT != self._weight.value:
                member = await self._weigh_anew(connection, member)
            seen = await self._look(connection)
            rank = seen.members.index(member)
            share = fair_shares(self._count, seen.weights)[rank]
            given_up = to_release(self._mine, share)
            if given_up:
                await asyncio.gather(*(self._give_up(number) for number in given_up))
                for number in given_up:
                    await connection.execute("SELECT pg_advisory_unlock($1, $2)", self._space, number)
                await self._tell(connection)
            for number in to_take(self._count, seen, self._mine, rank, share):
                await self._take(connection, number)
            try:
                async with asyncio.timeout(LOOK_EVERY * random.uniform(0.7, 1.0)):
                    await self._changed.wait()
            except TimeoutError:
                continue

    async def _look(self, connection: Connection) -> Seen:
        rows = await connection.fetch(_LOCKS, self._space)
        numbers = [row["number"] for row in rows]
        members = sorted(number for number in numbers if number >= _FIRST_MEMBER)
        return Seen(tuple(members), frozenset(number for number in numbers if number < _FIRST_MEMBER))

    async def _take(self, connection: Connection, number: int) -> None:
        if await connection.fetchval("SELECT pg_try_advisory_lock($1, $2)", self._space, number):
            self._mine.add(number)
            self._taken(number)

    async def _give_up(self, number: int) -> None:
        self._mine.discard(number)
        await self._released(number)

    async def _let_go(self, connection: Connection | None) -> None:
        self._mine.clear()
        try:
            await self._lost()
            if connection is not None:
                await self._unlock(connection)
                await close(connection)
        except BaseException:
            if connection is not None:
                connection.terminate()
            raise

    async def _unlock(self, connection: Connection) -> None:
        if connection.is_closed():
            return
        try:
            await connection.execute(f"SELECT pg_advisory_unlock_all(); NOTIFY {CHANNEL}")
        except DRIVER_ERRORS as error:
            log.debug("the leases end with their connection: %s", one_line(error))
