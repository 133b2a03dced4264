"""The OpenAPI document is valid, says what the operation does, and is the same every time."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import pydantic
import pytest
from msgspec import Meta
from openapi_spec_validator import OpenAPIV31SpecValidator

import shop_contracts
from atoll.contracts import (
    PUBLIC,
    Access,
    Api,
    Conflict,
    Input,
    Message,
    Money,
    Operation,
    RateLimit,
    Stream,
    Surface,
)
from atoll.contracts.openapi import openapi


class Full(Conflict, code="full"):
    """The hall is full.

    More for developers.
    """


class Find(Input):
    """Finds seats."""

    hall: Annotated[str, Meta(max_length=20, description="Which hall")]
    row: int
    limit: Annotated[int, Meta(ge=1, le=100)] = 20
    near: list[int] = []


class Seat(Message):
    """One seat."""

    id: str
    price: Money
    neighbours: tuple[str, ...] = ()


class Book(Input):
    hall: str
    seats: list[str]
    note: str = ""


class Name(Input):
    hall: str


class Move(Input, rename="camel"):
    seat_id: str
    new_row: int = 1


@dataclass
class Plain:
    text: str


class Guest(pydantic.BaseModel):
    """A guest."""

    name: str
    money: dict[str, int] = {}


class Guests(pydantic.BaseModel):
    guests: list[Guest]
    total: int = pydantic.Field(default=0, ge=0)


class Halls(Api, service="theatre"):
    """Seats in halls.

    More for developers.
    """

    find = Operation("GET /halls/{hall}/seats", Find, list[Seat], access=Access(scopes=("seats:read",)))
    book = Operation(
        "POST /halls/{hall}/bookings", Book, Seat, keyed=True, errors=(Full,), summary="Book seats", deadline=2.0,
        access=Access(scopes=("seats:write",), roles=("clerk",), trusted=("orders",)),
        http=Surface(status=201, location="/seats/{id}", rate_limit=RateLimit(5)),
    )  # fmt: skip
    close = Operation("POST /halls/{hall}/close", Name, None, access=Access(peers=("admin",)), http=Surface(status=204))
    watch = Operation("GET /watch", None, Stream[Seat], access=PUBLIC, http=Surface(cache_control="no-store"))
    sign = Operation("POST /sign", Plain, Plain, access=PUBLIC, http=Surface(form=True))
    greet = Operation("PUT /guests", Guest, Guests)
    list_guests = Operation("GET /guests", None, Guests)
    count = Operation("POST /count", list[int], int)
    move = Operation("POST /seats/{seat_id}", Move, None)
    ping = Operation("GET /ping", type(None), type(None), access=PUBLIC)


def document(operations: Sequence[Operation[Any, Any]] = Halls.operations_) -> dict[str, Any]:
    return openapi("theatre", "1.2.3", operations)


DOCUMENT = document()


def at(path: str, method: str) -> dict[str, Any]:
    found: dict[str, Any] = DOCUMENT["paths"][path][method]
    return found


@pytest.mark.parametrize(
    "operations",
    [Halls.operations_, (), *(getattr(shop_contracts, name).operations_ for name in ("Auth", "Orders", "Payments"))],
)
def test_the_document_is_valid_openapi_3_1(operations: Sequence[Operation[Any, Any]]) -> None:
    found = document(operations)
    assert json.loads(json.dumps(found)) == found
    OpenAPIV31SpecValidator(found).validate()


def test_the_validator_does_refuse() -> None:
    broken = json.loads(json.dumps(DOCUMENT))
    broken["paths"]["/watch"]["get"]["responses"]["200"].pop("description")
    assert not OpenAPIV31SpecValidator(broken).is_valid()


def test_it_says_what_it_is_about() -> None:
    assert DOCUMENT["openapi"].startswith("3.1.")
    assert DOCUMENT["info"] == {"title": "theatre", "version": "1.2.3"}
    assert DOCUMENT["tags"] == [{"name": "Halls", "description": "Seats in halls."}]
    assert openapi("x", "1", (), description="About.")["info"]["description"] == "About."


def test_an_operation_has_its_qualified_name_and_a_summary() -> None:
    assert (at("/guests", "get")["operationId"], at("/guests", "get")["summary"]) == (
        "theatre.list_guests",
        "List guests",
    )
    assert at("/halls/{hall}/bookings", "post")["summary"] == "Book seats"
    assert at("/guests", "put")["x-idempotent"]
    assert at("/halls/{hall}/bookings", "post")["x-deadline-seconds"] == 2.0


def test_fields_of_the_path_and_the_query_are_parameters() -> None:
    found = at("/halls/{hall}/seats", "get")
    assert [(one["name"], one["in"], one["required"]) for one in found["parameters"]] == [
        ("hall", "path", True),
        ("row", "query", True),
        ("limit", "query", False),
        ("near", "query", False),
    ]
    assert found["parameters"][0]["schema"] == {"type": "string", "maxLength": 20, "description": "Which hall"}
    assert found["parameters"][2]["schema"] == {"type": "integer", "minimum": 1, "maximum": 100, "default": 20}
    assert "requestBody" not in found


def test_the_body_has_what_the_path_leaves() -> None:
    body = at("/halls/{hall}/bookings", "post")["requestBody"]
    schema = body["content"]["application/json"]["schema"]
    assert body["required"]
    assert (set(schema["properties"]), schema["required"]) == ({"seats", "note"}, ["seats"])
    assert schema["additionalProperties"] is False
    assert "requestBody" not in at("/halls/{hall}/close", "post")


def test_a_body_may_be_a_form_a_list_or_a_model() -> None:
    assert set(at("/sign", "post")["requestBody"]["content"]) == {"application/x-www-form-urlencoded"}
    assert at("/count", "post")["requestBody"]["content"]["application/json"]["schema"]["type"] == "array"
    assert at("/guests", "put")["requestBody"]["content"]["application/json"]["schema"] == {
        "$ref": "#/components/schemas/Guest"
    }


def test_fields_that_are_called_otherwise_on_the_wire_keep_their_places() -> None:
    found = at("/seats/{seat_id}", "post")
    assert [one["name"] for one in found["parameters"]] == ["seat_id"]
    assert set(found["requestBody"]["content"]["application/json"]["schema"]["properties"]) == {"newRow"}


def test_a_body_without_required_fields_may_be_left_out() -> None:
    assert not at("/seats/{seat_id}", "post")["requestBody"]["required"]
    assert at("/count", "post")["requestBody"]["required"]
    assert at("/sign", "post")["requestBody"]["required"]


def test_nothing_may_be_written_as_its_type() -> None:
    assert "content" not in at("/ping", "get")["responses"]["200"]
    assert list(at("/ping", "get")["responses"]) == ["200", "500", "503", "504"]


def test_a_keyed_operation_takes_a_key_and_may_conflict() -> None:
    found = at("/halls/{hall}/bookings", "post")
    assert ("Idempotency-Key", "header", False) in [
        (one["name"], one["in"], one["required"]) for one in found["parameters"]
    ]
    assert set(found["responses"]["409"]["content"]["application/problem+json"]["examples"]) == {"full", "conflict"}


def test_the_reply_has_its_status_and_headers() -> None:
    reply = at("/halls/{hall}/bookings", "post")["responses"]["201"]
    assert reply["headers"]["Location"]["schema"] == {"type": "string", "format": "uri-reference"}
    assert reply["content"]["application/json"]["schema"] == {"$ref": "#/components/schemas/Seat"}
    assert "content" not in at("/halls/{hall}/close", "post")["responses"]["204"]


def test_a_stream_is_server_sent_events() -> None:
    reply = at("/watch", "get")["responses"]["200"]
    assert reply["content"]["text/event-stream"]["x-event-schema"] == {"$ref": "#/components/schemas/Seat"}
    assert reply["headers"]["Cache-Control"]["schema"]["const"] == "no-store"


@pytest.mark.parametrize(
    ("path", "method", "statuses"),
    [
        ("/halls/{hall}/seats", "get", "200 400 401 403 404 422 500 503 504"),
        ("/halls/{hall}/bookings", "post", "201 400 401 403 404 409 413 415 422 429 500 503 504"),
        ("/halls/{hall}/close", "post", "204 400 401 403 404 422 500 503 504"),
        ("/watch", "get", "200 500 503 504"),
        ("/sign", "post", "200 400 413 415 422 500 503 504"),
        ("/guests", "get", "200 401 500 503 504"),
    ],
)
def test_every_status_that_may_come_is_documented(path: str, method: str, statuses: str) -> None:
    assert list(at(path, method)["responses"]) == statuses.split()


def test_a_declared_error_is_an_example_with_the_first_line_of_its_docstring() -> None:
    examples = at("/halls/{hall}/bookings", "post")["responses"]["409"]["content"]["application/problem+json"][
        "examples"
    ]
    assert examples["full"] == {
        "summary": "The hall is full.",
        "value": {"type": "urn:problem:full", "title": "Full", "status": 409},
    }


def test_who_may_call_is_security() -> None:
    assert at("/watch", "get")["security"] == []
    assert at("/guests", "get")["security"] == [{"bearer": []}]
    assert at("/halls/{hall}/bookings", "post")["security"] == [{"bearer": ["seats:write"]}, {"peer": []}]
    assert at("/halls/{hall}/bookings", "post")["x-roles"] == ["clerk"]
    assert at("/halls/{hall}/close", "post")["security"] == [{"peer": []}]
    assert set(DOCUMENT["components"]["securitySchemes"]) == {"bearer", "peer"}
    assert document((Halls.watch,))["components"]["securitySchemes"] == {}


def test_two_messages_with_one_name_are_refused_if_they_differ() -> None:
    twin = pydantic.create_model("Seat", other=(int, ...))
    wrong: Any = type(
        "Wrong", (Api,), {"one": Operation("GET /one", None, twin), "two": Operation("GET /two", None, Seat)}
    )
    with pytest.raises(TypeError, match="two different messages are named 'Seat'"):
        document(wrong.operations_)


def test_the_same_operations_give_the_same_bytes_in_every_process() -> None:
    program = (
        "import json, shop_contracts; from atoll.contracts.openapi import openapi;"
        "print(json.dumps(openapi('orders', '1', shop_contracts.Orders.operations_)))"
    )
    runs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(runs) == 1
