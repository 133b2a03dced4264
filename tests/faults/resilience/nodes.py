"""A small system of four services in a row, whose behaviour can be told: what they offer, and how they misbehave.

``look`` with ``hops=2`` goes on to the next service, which goes on to the one after it; with ``hops=0`` the node is a leaf.
"""

from __future__ import annotations

from atoll.contracts import PUBLIC, Api, Input, Message, Operation


class Look(Input):
    """hops: how many services are still to be asked. plain: neither calls anything nor misbehaves."""

    hops: int = 0
    plain: bool = False


class Seen(Message):
    """By which instance."""

    by: str


class Behaviour(Message):
    """What a node does from now on. status: instead of a reply. wait, burn: seconds of waiting and of processor for each.

    places: how many may wait at once; the others wait for a place, as for a pool's connection; 0: all.
    """

    status: int = 0
    wait: float = 0.0
    burn: float = 0.0
    places: int = 0


class Tally(Message):
    """What a node has seen since it was told something. asked: work that began. most: of it at once. late: began after its
    caller's deadline. overran: went on for 50 ms after it.
    given_up: was cancelled. ended: in whatever way. left_ms: the remaining time with which each of the last calls came."""

    asked: int = 0
    answered: int = 0
    most: int = 0
    late: int = 0
    overran: int = 0
    given_up: int = 0
    ended: int = 0
    left_ms: list[int] = []


class First(Api):
    look = Operation("GET /look", Look, Seen, access=PUBLIC)
    tell = Operation("PUT /behaviour", Behaviour, Tally, access=PUBLIC)
    tally = Operation("GET /tally", None, Tally, access=PUBLIC)


class Second(Api):
    look = Operation("GET /look", Look, Seen, access=PUBLIC)
    tell = Operation("PUT /behaviour", Behaviour, Tally, access=PUBLIC)
    tally = Operation("GET /tally", None, Tally, access=PUBLIC)


class Third(Api):
    look = Operation("GET /look", Look, Seen, access=PUBLIC)
    tell = Operation("PUT /behaviour", Behaviour, Tally, access=PUBLIC)
    tally = Operation("GET /tally", None, Tally, access=PUBLIC)


class Fourth(Api):
    look = Operation("GET /look", Look, Seen, access=PUBLIC)
    tell = Operation("PUT /behaviour", Behaviour, Tally, access=PUBLIC)
    tally = Operation("GET /tally", None, Tally, access=PUBLIC)
