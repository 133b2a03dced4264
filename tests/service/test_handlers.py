"""Decorators attach metadata, return the same function, and refuse what can never be called."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from atoll.contracts import Api, Event, Operation, Stream
from atoll.service import Service, consumes, implements
from atoll.service.handlers import Consumes, Implements, mark_of, name_of


class Rang(Event, subject="bell.rang"):
    bell: str


class Bell(Api):
    ring = Operation("POST /ring", None, str)
    watch = Operation("GET /watch", None, Stream[str])
    other = Operation("GET /ring", None, str)


async def ring() -> str:
    return "ding"


async def watch() -> AsyncIterator[str]:
    yield "ding"


async def hear(event: Rang) -> None:
    """Hears a bell."""


def marked(function: Any, what: Any) -> Any:
    """A marked copy, so that the function itself stays plain for the other tests."""
    copy = type(function)(function.__code__, globals(), function.__name__)
    return what(copy)


def test_the_function_stays_itself() -> None:
    async def mine() -> str:
        return "ding"

    assert implements(Bell.ring)(mine) is mine
    assert mark_of(mine) == Implements(Bell.ring)


def test_a_consumer_stays_itself() -> None:
    async def mine(event: Rang) -> None:
        """Hears."""

    assert consumes(Rang)(mine) is mine
    assert mark_of(mine) == Consumes(Rang)


def test_a_function_handles_one_thing() -> None:
    with pytest.raises(TypeError, match="ring is a handler already; one function handles one thing"):
        implements(Bell.other)(marked(ring, implements(Bell.ring)))


def test_what_nothing_marks_is_no_handler() -> None:
    with pytest.raises(TypeError, match=r"test_handlers\.ring is no handler: decorate it"):
        mark_of(ring)


def test_a_plain_function_is_refused() -> None:
    def blocks() -> str:
        return "ding"

    with pytest.raises(TypeError, match="blocks is no async def"):
        implements(Bell.ring)(blocks)  # type: ignore[arg-type]


def test_a_stream_is_answered_by_an_async_generator_and_nothing_else_is() -> None:
    assert mark_of(marked(watch, implements(Bell.watch))) == Implements(Bell.watch)
    with pytest.raises(TypeError, match="ring must be an async generator"):
        implements(Bell.watch)(ring)  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="watch must be an async def that returns the reply"):
        implements(Bell.ring)(watch)  # type: ignore[arg-type]


def test_an_operation_outside_of_an_api_is_refused() -> None:
    with pytest.raises(TypeError, match=r"GET /lost> belongs to no Api"):
        implements(Operation("GET /lost", None, str))


def test_an_event_without_a_subject_is_refused() -> None:
    class Nameless(Event):
        bell: str

    with pytest.raises(TypeError, match="Nameless has no subject"):
        consumes(Nameless)


def test_a_service_lists_what_it_handles() -> None:
    ringer, hearer = marked(ring, implements(Bell.ring)), marked(hear, consumes(Rang))
    service = Service("bells", handlers=[ringer, hearer])
    assert service.operations == {Bell.ring: ringer}
    assert service.consumers == {Rang: hearer}
    assert service.apis == (Bell,)
    assert service.missing() == (Bell.watch, Bell.other)


def test_two_handlers_of_one_thing_are_refused() -> None:
    with pytest.raises(TypeError, match=r"both implement <Operation ring: POST /ring>; keep one"):
        Service("bells", handlers=[marked(ring, implements(Bell.ring)), marked(ring, implements(Bell.ring))])
    with pytest.raises(TypeError, match="both consume Rang; keep one"):
        Service("bells", handlers=[marked(hear, consumes(Rang)), marked(hear, consumes(Rang))])


def test_a_function_without_a_mark_is_no_part_of_a_service() -> None:
    with pytest.raises(TypeError, match="ring is no handler"):
        Service("bells", handlers=[ring])


def test_two_apis_with_one_route_do_not_fit_into_one_service() -> None:
    class Twin(Api):
        ring = Operation("POST /ring", None, str)

    with pytest.raises(TypeError, match="have the same route"):
        Service("bells", handlers=[marked(ring, implements(Bell.ring)), marked(ring, implements(Twin.ring))])


def test_a_handlers_name_says_where_it_is() -> None:
    assert name_of(ring).endswith("test_handlers.ring")
