"""Who reads a partition for a group, and how far it got, on a broker that is a log: the newest claim in the log counts.

Everybody reads the same records in the same order, so all agree on who the owner is, and a reader that hangs cannot keep a
partition: it finds the newer claim when it comes back.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
from collections.abc import Mapping

import msgspec

from atoll.messaging.floors import furthest

log = logging.getLogger("atoll.messaging")


class Record(msgspec.Struct, frozen=True, omit_defaults=True):
    """owner: a subscription's random name. claim: from here on it is the owner. floors: by subject; see `Floors`."""

    owner: str
    claim: bool = False
    floors: dict[str, int] = {}


_decode = msgspec.json.Decoder(Record).decode


class Claim:
    """One subscription's view. claimed: our claim was seen. lost: a newer one was, or nobody can tell any more."""

    def __init__(self) -> None:
        self.claimed = asyncio.Event()
        self.lost = asyncio.Event()
        self._owner = secrets.token_hex(8)
        self._before: list[dict[str, int]] = []

    def see(self, body: bytes) -> None:
        """The next record of the log, from its beginning."""
        try:
            record = _decode(body)
        except msgspec.MsgspecError as error:
            log.warning("a record that says who reads a partition makes no sense and is passed over: %s", error)
            return
        if record.claim and record.owner == self._owner:
            self.claimed.set()
        elif not self.claimed.is_set():
            self._before.append(record.floors)
        elif record.claim:
            self.lost.set()

    def floors(self) -> dict[str, int]:
        """What the readers before us had acknowledged; once `claimed` is set."""
        return furthest(self._before)

    def record(self, floors: Mapping[str, int] | None = None) -> bytes:
        """What is to be appended: how far we got, or without that, our claim."""
        return msgspec.json.encode(Record(self._owner, floors is None, dict(floors or {})))
