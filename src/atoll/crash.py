"""Labelled crash points: ``ATOLL_CRASH_AT=LABEL[:NTH]`` ends the process at that place, as ``kill -9`` would.

A facility for tests. The variable is looked at once, when this is imported; without it `crash_point` is a function that does
nothing. There is no `finally`, no flush and no goodbye: exit code 137. A label that is not in `LABELS` ends the
start with one line.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping

VARIABLE = "ATOLL_CRASH_AT"
EXIT_CODE = 137  # what a shell says of a process that was killed with -9

# Each place, and what has happened when the process ends there.
LABELS: Mapping[str, str] = {
    "before-commit": "a unit of work is done, its outbox rows are written, and nothing is committed",
    "after-commit": "a unit of work with events has committed, and nobody was woken",
    "before-publish": "the relay has read a settled event, and the broker has not seen it",
    "after-publish": "the broker has acknowledged an event, and others of its batch are under way",
    "before-mark": "a batch is published, and the cursor has not moved",
    "after-mark": "the cursor has moved, and the relay has not looked again",
    "before-inbox": "a message was delivered, and its inbox row is not written",
    "after-inbox": "the inbox row is written, and the handler has not begun",
    "after-handler": "the handler has returned, and inbox, state and events are not committed",
    "before-acknowledge": "what the message did is committed, and the broker does not know",
    "after-acknowledge": "the broker was told that the message is done",
    "before-park": "a message has had its attempts at once, and is not parked",
    "after-park": "a message is parked, and the broker does not know",
    "before-parked-attempt": "a parked message is taken out and known, and its handler has not begun",
    "before-bury": "a message has had all its attempts, and is not a dead letter yet",
    "during-redrive": "a dead letter is put back, and is still a dead letter",
    "before-snapshot": "events are appended, and the snapshot that is due is not written",
    "before-checkpoint": "the read model is written, and its checkpoint is not",
    "after-checkpoint": "read model and checkpoint are committed, and no waiting reader was told",
    "before-exchange": "a read model is rebuilt, and the old tables are still there",
    "during-exchange": "a new table has taken its place, and the checkpoint has not moved",
    "before-call": "a saga's call is journaled as begun, and was not sent",
    "after-effect": "a saga's step has taken effect, and its journal does not say so",
    "after-journal": "a saga's step is journaled, and the next one has not begun",
    "before-take": "an event has come that the saga waits for, and the journal does not say so",
    "before-turn": "a saga has failed, and its journal does not say that it is to be compensated",
    "between-compensations": "one compensation is journaled, and the one before it has not begun",
    "before-saga-end": "a saga has nothing left to do, and its journal does not say so",
}  # fmt: skip


def _nothing(_: str, /) -> None:
    return


def _armed(setting: str) -> Callable[[str], None]:
    wanted, _, text = setting.partition(":")
    if wanted not in LABELS:
        sys.exit(f"{VARIABLE}: there is no crash point {wanted!r}; there are: {', '.join(LABELS)}")
    if text and not (text.isascii() and text.isdigit() and int(text) > 0):
        sys.exit(f"{VARIABLE}: {text!r} is no number of times; write {wanted}:2 to end the second time")
    left = int(text or 1)

    def reached(label: str, /) -> None:
        nonlocal left
        if label == wanted:
            left -= 1
            if left == 0:
                os.write(2, f"{VARIABLE}: ends at {label}\n".encode())
                os._exit(EXIT_CODE)

    return reached


crash_point: Callable[[str], None] = _armed(os.environ[VARIABLE]) if os.environ.get(VARIABLE) else _nothing
