"""What is wrong with a service's consumers is one line, before anything starts."""

from __future__ import annotations

import pytest

from atoll.contracts import Event, Raw, upcasts
from atoll.serve.consumers import refuse_wrong_consumers
from atoll.serve.failure import CannotServe
from atoll.service import Service, consumes


class Renamed(Event, subject="user.renamed", version=2):
    user: str


@consumes(Renamed)
async def rename(event: Renamed) -> None:
    """A handler."""


@upcasts(Renamed, from_version=1)
def one(raw: Raw) -> Raw:
    return raw


@upcasts(Renamed, from_version=1)
def another(raw: Raw) -> Raw:
    return raw


def test_two_upcasters_of_one_version_are_named() -> None:
    refuse_wrong_consumers(Service("users", handlers=[rename], upcasters=[one, one]))
    with pytest.raises(CannotServe, match=r"one and .*another both upcast version 1 of Renamed; keep one"):
        refuse_wrong_consumers(Service("users", handlers=[rename], upcasters=[one, another]))


def test_what_is_no_upcaster_is_refused_where_it_is_listed() -> None:
    with pytest.raises(TypeError, match="is no upcaster"):
        Service("users", upcasters=[lambda raw: raw])
