"""Event versions at the consumer: old ones are upcast, newer ones are read if they only add, others are dead letters."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec
import pytest
from tests.messaging.conftest import eventually, handled

from atoll.contracts import Event, Raw, Upcaster, upcasts
from atoll.data import Database, Work
from atoll.messaging import Consumer, DeadLetters, Envelope
from atoll.messaging.envelope import encode_envelope
from atoll.messaging.incoming import Routes, Undecodable
from atoll.messaging.memory import MemoryBroker
from atoll.platform.local.measuring import of_page
from atoll.service import Request
from atoll.service.tracing import current_tracer
from atoll.telemetry.exposition import page
from atoll.telemetry.metrics import Metrics
from atoll.telemetry.tracer import OtlpTracer


class Named(Event, subject="user.named", version=2, key="user"):
    user: str
    first: str
    last: str


class NamedBefore(Event, subject="user.named", version=1, key="user"):
    user: str
    name: str


@upcasts(Named, from_version=1)
def split_name(raw: Raw) -> Raw:
    first, _, last = raw.pop("name").partition(" ")
    return raw | {"first": first, "last": last}


def written(version: int, /, **data: Any) -> bytes:
    raw = msgspec.Raw(msgspec.json.encode(data))
    return encode_envelope(Envelope(id=f"m{version}", source="/s/x", type="user.named", eventversion=version, data=raw))


async def nothing(request: Request) -> None:
    """A handler."""


def read(kind: type[Event], body: bytes, upcasters: Iterable[Upcaster] = ()) -> Any:
    return Routes({kind: nothing}, upcasters=upcasters).read("user.named", 0, body).event


def test_one_that_knows_version_2_reads_1() -> None:
    assert read(Named, written(1, user="u", name="Ada Lovelace"), [split_name]) == Named("u", "Ada", "Lovelace")


def test_one_that_knows_version_1_reads_2_if_it_only_adds() -> None:
    assert read(NamedBefore, written(2, user="u", name="Ada", title="Dr")) == NamedBefore("u", "Ada")


@pytest.mark.parametrize(
    ("kind", "body", "why"),
    [
        (Named, written(1, user="u", name="Ada"), r"^user\.named version 1 .*write @upcasts\(Named, from_version=1\)$"),
        (NamedBefore, written(7, user="u"), r"^user\.named was written as version 7 .*release the reader first"),
        (Named, written(0, user="u"), r"^user\.named says version 0; versions count from 1$"),
    ],
    ids=["no upcaster", "too new", "no version"],
)
def test_what_cannot_be_read_says_in_a_line_what_to_do(kind: type[Event], body: bytes, why: str) -> None:
    with pytest.raises(Undecodable, match=why):
        read(kind, body)


def test_a_subject_that_nobody_consumes_says_so() -> None:
    with pytest.raises(Undecodable, match=r"no handler of this release consumes user\.gone .*user\.named.*redrive"):
        Routes({Named: nothing}).read("user.gone", 0, written(1, user="u"))


async def test_a_missing_upcaster_is_a_dead_letter_and_a_release_that_has_it_handles_it(database: Database) -> None:
    broker, letters = MemoryBroker(), DeadLetters(database)

    async def note(request: Request) -> None:
        work: Work = request.scope[Work]
        event: Named = request.message
        await work.execute("INSERT INTO ledger (key, n, who) VALUES ($1, 1, $2)", event.user, event.last)

    async def dead() -> bool:
        return len(await letters.list()) == 1

    old = Consumer(database, broker, {Named: note}, group="test")
    await old.start()
    await broker.publish("user.named", "u", "m1", written(1, user="u", name="Ada Lovelace"))
    await eventually(dead)
    await old.stop()
    (letter,) = await letters.list()
    assert "write @upcasts(Named, from_version=1)" in letter.error
    new = Consumer(database, broker, {Named: note}, group="test", upcasters=[split_name])
    await new.start()
    await letters.redrive(letter.id)
    assert await handled(database, 1) == {"u": [1]}
    await new.stop()


async def test_what_cannot_be_decoded_counts_as_an_attempt_that_failed(database: Database) -> None:
    """By these counts a rollout sees that a new release sends what its consumers cannot read."""
    broker, letters, metrics = MemoryBroker(), DeadLetters(database), Metrics()
    token = current_tracer.set(OtlpTracer(metrics, None))
    consumer = Consumer(database, broker, {Named: nothing}, group="test")
    await consumer.start()
    for number in range(3):
        await broker.publish("user.named", "u", f"m{number}", written(1, user="u", name="Ada Lovelace"))

    async def dead() -> bool:
        return len(await letters.list()) == 3

    await eventually(dead)
    await consumer.stop()
    current_tracer.reset(token)
    counted = of_page(page(metrics, "")[1].decode())
    assert (counted["failed"], counted["handled"]) == (3, 0)
