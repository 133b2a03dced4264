"""Errors survive the wire: the class that a handler raises is the class that a client raises."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import (
    BadRequest,
    Conflict,
    Error,
    FieldError,
    Internal,
    Invalid,
    NotFound,
    Problem,
    Unauthenticated,
)
from atoll.contracts.codec import decoder_for, encode
from atoll.contracts.errors import STANDARD_ERRORS, error_from_problem


class OutOfStock(Conflict, code="out-of-stock"):
    """Wants arguments that no problem document carries."""

    def __init__(self, sku: str, left: int, **options: Any) -> None:
        super().__init__(f"{left} pieces of {sku} are left", **options)
        self.left = left


class Renamed(Conflict, code="renamed", status=410, title="Moved on"):
    """States its own status and title."""


DECLARED: dict[str, type[Error]] = {"out-of-stock": OutOfStock, "renamed": Renamed}
TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
FIELDS = st.lists(st.builds(FieldError, TEXT, TEXT), max_size=3)


def travelled(error: Error, declared: dict[str, type[Error]] = DECLARED) -> Error:
    return error_from_problem(decoder_for(Problem)(encode(error.problem())), declared)


@given(st.sampled_from([*STANDARD_ERRORS.values(), Renamed]), TEXT, FIELDS)
def test_an_error_comes_back_as_it_went(kind: type[Error], detail: str, fields: list[FieldError]) -> None:
    sent = kind(detail, fields=fields)
    got = travelled(sent)
    assert type(got) is kind
    assert (got.detail, got.fields, str(got)) == (sent.detail, sent.fields, str(sent))


def test_a_class_with_its_own_arguments_comes_back_too() -> None:
    got = travelled(OutOfStock("A1", 2))
    assert isinstance(got, OutOfStock)
    assert (got.detail, got.headers) == ("2 pieces of A1 are left", {})


def test_an_error_that_is_not_declared_is_known_by_its_status() -> None:
    got = travelled(OutOfStock("A1", 2), {})
    assert type(got) is Conflict
    assert got.detail == "2 pieces of A1 are left"


@pytest.mark.parametrize(
    ("status", "kind"), [(404, NotFound), (418, BadRequest), (499, BadRequest), (500, Internal), (599, Internal)]
)
def test_a_foreign_problem_is_known_by_its_status(status: int, kind: type[Error]) -> None:
    got = error_from_problem(Problem(type="https://example.org/teapot", title="Teapot", status=status), {})
    assert type(got) is kind
    assert got.detail == "Teapot"


def test_a_document_has_the_members_of_rfc_9457() -> None:
    problem = Invalid("limit: expected int", fields=[FieldError("limit", "expected int")]).problem()
    assert encode(problem) == (
        b'{"type":"urn:problem:invalid","title":"Invalid","status":422,"detail":"limit: expected int",'
        b'"errors":[{"field":"limit","message":"expected int"}]}'
    )


def test_a_title_follows_from_the_code() -> None:
    assert (OutOfStock.title, OutOfStock.status) == ("Out of stock", 409)
    assert (Renamed.title, Renamed.status) == ("Moved on", 410)


def test_who_is_unknown_is_told_how_to_show_who_they_are() -> None:
    assert Unauthenticated().headers == {"www-authenticate": "Bearer"}
    assert Unauthenticated(headers={"www-authenticate": 'Bearer error="invalid_token"'}).headers == {
        "www-authenticate": 'Bearer error="invalid_token"'
    }


@pytest.mark.parametrize("code", ["Out of stock", "outOfStock", "out_of_stock", "-x", "", "x-", "x\n"])
def test_a_code_that_is_no_code_is_refused(code: str) -> None:
    with pytest.raises(TypeError, match=r"Wrong: code .* is not like 'out-of-stock'"):
        type("Wrong", (Conflict,), {}, code=code)


def test_a_status_that_is_no_error_is_refused() -> None:
    with pytest.raises(TypeError, match="Wrong: status is 200"):
        type("Wrong", (Conflict,), {}, code="wrong", status=200)
