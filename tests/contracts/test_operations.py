"""Operations are checked when they are written, and become calls on a client."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest

from atoll.contracts import Api, Conflict, Input, Message, NotFound, Operation, Stream, Surface
from atoll.contracts.operations import parse_route, route_shape


class Get(Input):
    id: int


class Thing(Message):
    id: int


class Things(Api):
    """Things."""

    get = Operation("GET /things/{id}", Get, Thing)
    all = Operation("GET /things", None, list[Thing])
    drop = Operation("DELETE /things/{id}", Get, None)
    make = Operation("POST /things", Thing, Thing)
    watch = Operation("GET /things/watch", None, Stream[Thing])


class Wire:
    """A channel that remembers what was called."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, Any]] = []

    async def call(self, operation: Operation[Any, Any], message: Any) -> Any:
        self.calls.append((operation.qualified, message))
        return Thing(1)

    async def stream(self, operation: Operation[Any, Any], message: Any) -> AsyncIterator[Any]:
        self.calls.append((operation.qualified, message))
        yield Thing(1)


async def test_on_a_client_an_operation_is_a_call() -> None:
    wire = Wire()
    things = Things(wire)
    assert await things.get(Get(1)) == Thing(1)
    await things.all()
    assert [one async for one in things.watch.stream()] == [Thing(1)]
    assert wire.calls == [("things.get", Get(1)), ("things.all", None), ("things.watch", None)]


def test_on_the_class_an_operation_is_what_it_is() -> None:
    assert (Things.get.name, Things.get.method, Things.get.path, Things.get.parameters) == (
        "get",
        "GET",
        "/things/{id}",
        ("id",),
    )
    assert Things.get.api is Things
    assert repr(Things.get) == "<Operation get: GET /things/{id}>"


def test_an_api_lists_its_operations_in_order() -> None:
    assert [one.name for one in Things.operations_] == ["get", "all", "drop", "make", "watch"]
    assert Things.service_ == "things"


def test_an_api_may_belong_to_a_service_with_another_name() -> None:
    class Audit(Api, service="ledger"):
        read = Operation("GET /audit", None, Thing)

    assert Audit.read.qualified == "ledger.read"


def test_what_http_calls_idempotent_is() -> None:
    assert [one.name for one in Things.operations_ if one.idempotent] == ["get", "all", "drop", "watch"]
    assert Operation("POST /quote", Thing, Thing, idempotent=True).idempotent
    assert not Operation("GET /lottery", None, Thing, idempotent=False).idempotent


def test_a_stream_is_known_as_one() -> None:
    assert Things.watch.streams
    assert not Things.all.streams
    with pytest.raises(TypeError, match="write an async generator"):
        Stream()


@pytest.mark.parametrize(
    "route",
    [
        "", "POST", "things", "GET things", "GET  /things", "GET /th ings", "GET /things\n", "GET /{id}\n", "get /things",
        "FETCH /things", "GET /things?x=1", "GET /things#x", "GET /things/{Id}", "GET /things/{id", "GET /things/x{id}",
        "GET /{id}/{id}", "GET /{}",
    ],
)  # fmt: skip
def test_a_route_that_is_none_is_refused(route: str) -> None:
    with pytest.raises(TypeError, match="Operation"):
        parse_route(route)


class Pydantic(pydantic.BaseModel):
    other: int


@dataclass
class Data:
    other: int


@pytest.mark.parametrize("request_", [None, Data, Pydantic, Input])
def test_a_path_parameter_needs_a_field(request_: Any) -> None:
    with pytest.raises(TypeError, match="has no field 'id' for the path to fill"):
        Operation("GET /things/{id}", request_, Thing)


def test_two_errors_with_one_code_are_refused() -> None:
    twin = type("Twin", (NotFound,), {})
    with pytest.raises(TypeError, match="NotFound and Twin share the code 'not-found'"):
        Operation("GET /things", None, Thing, errors=(NotFound, Conflict, twin))


def test_a_deadline_is_more_than_nothing() -> None:
    with pytest.raises(TypeError, match="deadline is 0 s"):
        Operation("GET /things", None, Thing, deadline=0)


def test_two_operations_with_one_route_are_refused() -> None:
    with pytest.raises(TypeError, match="one and two have the same route"):

        class Wrong(Api):
            one = Operation("POST /things/{id}", Get, Thing)
            two = Operation("POST /things/{id}", Get, Thing, http=Surface(status=201))


def test_routes_are_the_same_whatever_their_parameters_are_called() -> None:
    one = Operation("GET /things/{id}", Get, Thing)
    two = Operation("GET /things/{other}", Data, Thing)
    assert route_shape(one) == route_shape(two)
    assert route_shape(one) != route_shape(Operation("GET /things", None, Thing))


@pytest.mark.parametrize("status", [0, 101, 199, 400, 503])
def test_a_status_that_no_reply_has_is_refused(status: int) -> None:
    with pytest.raises(TypeError, match=f"the status of a reply is 200 to 399, not {status}"):
        Operation("GET /things", None, Thing, http=Surface(status=status))


@pytest.mark.parametrize("status", [204, 205, 304])
def test_a_status_without_a_body_has_no_reply(status: int) -> None:
    Operation("GET /things", None, None, http=Surface(status=status))
    with pytest.raises(TypeError, match=f"a reply with the status {status} has no body; write None for its type"):
        Operation("GET /things", None, Thing, http=Surface(status=status))
