"""Snapshots of aggregates: a cache of what their events add up to. Whatever is wrong with one, it is passed over.

A snapshot holds the annotated attributes of the aggregate. Its shape is a fingerprint of their types and of the aggregate's
``snapshot_version``: one of another shape (an older or a newer release wrote it) is not read.
"""

from __future__ import annotations

import hashlib
import logging
from typing import Any, ClassVar, get_origin, get_type_hints

import msgspec

from atoll.contracts.codec import encode
from atoll.crash import crash_point
from atoll.data.aggregate import Aggregate
from atoll.data.work import Work

log = logging.getLogger("atoll.data")

_WRITE = """
INSERT INTO atoll.snapshots (stream, number, shape, state) VALUES ($1, $2, $3, $4)
ON CONFLICT (stream) DO UPDATE SET number = excluded.number, shape = excluded.shape, state = excluded.state,
taken_at = clock_timestamp()
"""
_SHAPE = "__atoll_shape__"
MAX_STATE = 16 * 1024 * 1024  # bytes of JSON; more than that reads slower than the events it replaces


class Shape:
    """How an aggregate's state becomes a snapshot and back; planned once a class."""

    def __init__(self, kind: type[Aggregate[Any]]) -> None:
        hints = get_type_hints(kind)
        mine = {name: hint for name, hint in hints.items() if not _of_class(hint)}
        self.fields = tuple(mine)
        state = msgspec.defstruct(f"{kind.__name__}State", list(mine.items()), forbid_unknown_fields=True)
        try:
            self._decode = msgspec.json.Decoder(state).decode
            schema = msgspec.json.encode(msgspec.json.schema(state))
        except TypeError as error:
            raise TypeError(f"{kind.__name__} cannot have snapshots: {error}") from None
        digest = hashlib.blake2b(schema, digest_size=16)
        digest.update(f"{kind.__qualname__}:{kind.snapshot_version_}".encode())
        self.fingerprint = digest.hexdigest()

    def take(self, aggregate: Aggregate[Any]) -> str:
        """The state as JSON. TypeError for state that is not declared, for a snapshot would lose it."""
        lost = aggregate.undeclared(self.fields)
        if lost:
            name = type(aggregate).__name__
            raise TypeError(
                f"{name}.{lost[0]} is state that snapshots do not know; declare it on the class: {lost[0]}: <its type> = ..."
            )
        return encode({name: getattr(aggregate, name) for name in self.fields}).decode()

    def put(self, aggregate: Aggregate[Any], state: str) -> None:
        """Sets the state; msgspec's errors if the text does not hold it."""
        found = self._decode(state)
        for name in self.fields:
            setattr(aggregate, name, getattr(found, name))


def shape_of(kind: type[Aggregate[Any]]) -> Shape:
    """The shape of an aggregate's state. Made at the first use, when every type that its annotations name is there."""
    shape: Shape | None = vars(kind).get(_SHAPE)
    if shape is None:
        shape = Shape(kind)
        setattr(kind, _SHAPE, shape)
    return shape


def restore(aggregate: Aggregate[Any], state: str, number: int) -> bool:
    """Sets the aggregate to a snapshot; False if it cannot be read."""
    try:
        shape_of(type(aggregate)).put(aggregate, state)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        log.warning("the snapshot of %s is not readable, its events are: %s", aggregate.stream_of(aggregate.id), error)
        return False
    aggregate.version = aggregate.snapshot_at = number
    return True


async def write_if_due(work: Work, aggregate: Aggregate[Any]) -> None:
    """Writes a snapshot if enough events have come since the last one."""
    every = aggregate.snapshot_every_
    if not every or aggregate.version - aggregate.snapshot_at < every:
        return
    shape = shape_of(type(aggregate))
    state = shape.take(aggregate)
    crash_point("before-snapshot")
    if len(state) <= MAX_STATE:
        await work.execute(_WRITE, aggregate.stream_of(aggregate.id), aggregate.version, shape.fingerprint, state)
    aggregate.snapshot_at = aggregate.version


def _of_class(hint: Any) -> bool:
    return hint is ClassVar or get_origin(hint) is ClassVar
