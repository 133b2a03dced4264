"""What a group commits for a partition: Kafka's offset, and beside it who reads and how far each subject was read."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec

from atoll.messaging.broker import BrokerUnavailable

MOST = 4_096  # bytes: Kafka's offset.metadata.max.bytes


class Place(msgspec.Struct, frozen=True, omit_defaults=True):
    """owner: a subscription's random name. here: subjects whose floor is the offset. floors: the other subjects'."""

    owner: str = ""
    here: list[str] = []
    floors: dict[str, int] = {}

    def all(self, offset: int) -> dict[str, int]:
        """The floor of each subject that the group has ever read; see `Floors`."""
        return self.floors | dict.fromkeys(self.here, offset)


_decode = msgspec.json.Decoder(Place).decode


def encode_place(owner: str, offset: int, floors: Mapping[str, int]) -> str:
    """The metadata of a commit; BrokerUnavailable for more subjects than Kafka takes there."""
    here = sorted(subject for subject, floor in floors.items() if floor == offset)
    others = {subject: floor for subject, floor in floors.items() if floor != offset}
    text = msgspec.json.encode(Place(owner, here, others)).decode()
    if len(text) > MOST:
        raise BrokerUnavailable(
            f"the group reads {len(floors)} subjects and Kafka's metadata of a commit holds no more"
        )
    return text


def decode_place(metadata: str | None) -> Place:
    """What was committed; an operator's tool that moved the group wrote nothing of ours."""
    try:
        return _decode(metadata) if metadata else Place()
    except msgspec.MsgspecError:
        return Place()
