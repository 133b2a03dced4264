"""Events as they pass on the broker, for somebody who looks on."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec

from atoll.contracts import Error
from atoll.data.backoff import Backoff
from atoll.messaging import Broker, Passing, SubscriptionEnded, Tail
from atoll.messaging.broker import BrokerUnavailable
from atoll.messaging.envelope import decode_envelope
from atoll.messaging.floors import KnownIds

QUIET = 1.0  # seconds without a message, after which all that there was has been seen
AT_ONCE = 500
MARGIN = timedelta(seconds=5)  # how much is looked at again after a lost connection; what was seen is left out


@dataclass(frozen=True, slots=True)
class PassingEvent:
    """An event on the broker. data: its fields. trouble: why it could not be read; then data is its text."""

    subject: str
    partition: int
    sequence: int
    id: str
    source: str
    key: str
    version: int
    time: datetime | None
    data: Any
    trouble: str = ""


async def watch(
    broker: Broker, subjects: Sequence[str] = (), *, since: datetime | None = None, follow: bool = False, key: str = ""
) -> AsyncGenerator[PassingEvent, None]:
    """Events as they pass, in order within a partition. It takes part in nothing: no consumer gets less.

    since: None means from now on. follow: goes on for ever, over lost connections; else it ends when nothing came for a
    second. key: only those of it. BrokerUnavailable; SubscriptionEnded if the connection is lost and it does not follow.
    """
    seen = KnownIds()
    at = since or datetime.now(UTC)
    tail = await broker.tail(subjects, since)
    while True:
        try:
            while (found := await tail.fetch(AT_ONCE, QUIET)) or follow:
                at = datetime.now(UTC)
                for message in found:
                    event = _read(message)
                    new = seen.is_new(f"{event.partition}/{event.sequence}/{event.id}")
                    if new and (not key or event.key == key):
                        yield event
            return
        except SubscriptionEnded:
            if not follow:
                raise
        finally:
            await tail.close()
        tail = await _again(broker, subjects, at - MARGIN)


async def _again(broker: Broker, subjects: Sequence[str], since: datetime) -> Tail:
    backoff = Backoff(first=0.1, most=2.0)
    while True:
        try:
            return await broker.tail(subjects, since)
        except BrokerUnavailable:
            await backoff.wait()


def _read(message: Passing) -> PassingEvent:
    where = message.subject, message.partition, message.sequence
    try:
        envelope = decode_envelope(message.body)
        data = msgspec.json.decode(bytes(envelope.data))
    except (Error, msgspec.MsgspecError) as error:
        return PassingEvent(*where, "", "", "", 0, None, message.body.decode(errors="replace"), str(error))
    time = None if envelope.time is msgspec.UNSET else envelope.time
    return PassingEvent(*where, envelope.id, envelope.source, envelope.key, envelope.eventversion, time, data)
