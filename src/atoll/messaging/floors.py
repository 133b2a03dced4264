"""Reading a broker that is a log: how far a group has read one partition, subject by subject."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Iterable, Mapping, Sequence

from atoll.messaging.broker import DEDUPE_SECONDS, BrokerUnavailable

MAX_BODY = 1_048_576  # bytes; what NATS takes by default, so that a system's events fit each broker
KNOWN_AT_MOST = 100_000  # message ids that a reader remembers


class Floors:
    """A subject's floor is the sequence up to which all of its messages are acknowledged. Sequences begin at 1.

    A log is acknowledged by one number only, so that number moves when everything before it is done: later messages may be
    acknowledged already, and come again after a take-over. A subject that was not read for a while keeps its own floor.
    """

    def __init__(self, known: Mapping[str, int], subjects: Sequence[str]) -> None:
        self._floors = dict(known)
        self._subjects = frozenset(subjects)
        self._open: OrderedDict[int, None] = OrderedDict()
        self._read = min((known.get(subject, 0) for subject in subjects), default=0)
        self.start = self._read + 1

    @property
    def reached(self) -> int:
        """Everything up to this sequence is done, or was not asked for."""
        return next(iter(self._open)) - 1 if self._open else self._read

    def deliver(self, subject: str, sequence: int) -> bool:
        """Whether the message at that place is to be delivered. Each place once, in ascending order."""
        if sequence <= self._read:
            return False
        self._read = sequence
        if subject not in self._subjects or sequence <= self._floors.get(subject, 0):
            return False
        self._open[sequence] = None
        return True

    def acknowledge(self, sequence: int) -> None:
        """It is done."""
        self._open.pop(sequence, None)

    def all(self) -> dict[str, int]:
        """The floor of each subject that the group has ever read, as it is now."""
        reached = self.reached
        return self._floors | {subject: max(reached, self._floors.get(subject, 0)) for subject in self._subjects}


def furthest(states: Iterable[Mapping[str, int]]) -> dict[str, int]:
    """What several readers wrote down, one after the other; an acknowledgement is never taken back."""
    floors: dict[str, int] = {}
    for state in states:
        for subject, floor in state.items():
            floors[subject] = max(floor, floors.get(subject, 0))
    return floors


class KnownIds:
    """The message ids of the last two minutes, of a reader whose broker does not dedupe."""

    def __init__(self) -> None:
        self._seen: OrderedDict[str, float] = OrderedDict()

    def is_new(self, message_id: str) -> bool:
        """Whether the id was not seen lately; from now on it was."""
        now = time.monotonic()
        while self._seen and (
            len(self._seen) > KNOWN_AT_MOST or next(iter(self._seen.values())) < now - DEDUPE_SECONDS
        ):
            self._seen.popitem(last=False)
        if message_id in self._seen:
            return False
        self._seen[message_id] = now
        return True


def check_size(subject: str, message_id: str, body: bytes) -> None:
    """BrokerUnavailable if the broker would not take the message for its size."""
    if len(body) > MAX_BODY:
        raise BrokerUnavailable(
            f"the message {subject} {message_id} has {len(body)} bytes and a broker takes {MAX_BODY}; publish less data"
        )
