"""What a reader may rely on, whatever bytes come."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import pydantic
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import BadRequest, Error, Input, Invalid, Message, Money
from atoll.contracts.codec import converter_for, decoder_for, encode, encoder_for


class Line(Input):
    sku: str
    quantity: int = 1


class Basket(Input):
    lines: tuple[Line, ...] = ()
    note: str = ""
    weight: float = 0.0
    price: Decimal = Decimal(0)
    extra: Any = None
    tags: dict[str, str] = {}


class Seen(Message):
    name: str = ""


@dataclass
class Plain:
    name: str


class Model(pydantic.BaseModel):
    name: str = ""
    numbers: list[int] = []


def refused(body: bytes, kind: Any = Basket) -> Error:
    with pytest.raises(Error) as caught:
        decoder_for(kind)(body)
    return caught.value


@pytest.mark.parametrize("kind", [Basket, Seen, Model])
@pytest.mark.parametrize(
    "body",
    [
        b"", b"  ", b"{", b"{} x", b"\xef\xbb\xbf{}", '{"name": "x"}'.encode("utf-16"), b'{"name": "a\nb"}', b'{"name": "a\x00"}',
        b'{"name": "\xff"}', b'{"name": "\\ud800"}', b'{"name": "\\udc00\\ud800"}', b'{"name": 01}', b"{'name': 1}",
        b'{"name": nan}', b'{"numbers": [1,]}',
    ],
    ids=repr,
)  # fmt: skip
def test_what_is_no_json_is_a_bad_request(kind: Any, body: bytes) -> None:
    error = refused(body, kind)
    assert isinstance(error, BadRequest) or (kind is Basket and isinstance(error, Invalid))
    assert error.detail.isprintable()


def test_an_empty_body_says_so() -> None:
    assert refused(b"").detail == "the body is empty; this operation needs a JSON body"


def test_the_reason_is_told_without_noise() -> None:
    assert refused(b"[1,]", list).detail == "the body is not valid JSON: trailing comma in array (byte 3)"


@pytest.mark.parametrize("kind", [Basket, Seen, Model])
def test_deep_nesting_is_refused_and_does_not_hurt(kind: Any) -> None:
    assert isinstance(refused(b'{"extra": ' + b"[" * 200_000 + b"]" * 200_000 + b"}", kind), BadRequest)


@pytest.mark.parametrize(
    ("body", "field", "message"),
    [
        (b'{"lines": [{"sku": "A1"}, {"sku": 7}]}', "lines[1].sku", "expected str, got int"),
        (b'{"lines": [{"quantity": 1}]}', "lines[0].sku", "is required"),
        (b'{"lines": [{"sku": "A1", "colour": 1}]}', "lines[0].colour", "is not a field of this message"),
        (b'{"colour": 1}', "colour", "is not a field of this message"),
        (b'{"lines": [{"sku": "A", "quantity": 1.5}]}', "lines[0].quantity", "expected int, got float"),
        (b'{"lines": [{"sku": "A", "quantity": 1e400}]}', "lines[0].quantity", "number out of range"),
        (b'{"weight": 1e400}', "weight", "number out of range"),
        (b'{"note": null}', "note", "expected str, got null"),
        (b'{"tags": {"a": 1}}', "tags[...]", "expected str, got int"),
        (b'{"price": "NaN"}', "price", "is not a number that can be stored"),
        (b'{"price": "sNaN"}', "price", "is not a number that can be stored"),
        (b'{"price": "-Infinity"}', "price", "is not a number that can be stored"),
        (b'{"price": "1e999999999"}', "price", "is not a number that can be stored"),
        (b"[]", "", "expected object, got array"),
        (b"null", "", "expected object, got null"),
    ],
)
def test_a_wrong_field_is_named(body: bytes, field: str, message: str) -> None:
    error = refused(body)
    assert isinstance(error, Invalid)
    assert [(one.field, one.message) for one in error.fields] == [(field, message)]
    assert error.detail == f"{field or 'the body'}: {message}"


def test_a_wrong_key_is_named() -> None:
    assert refused(b'{"x": {"a": 1}}', dict[str, dict[int, int]]).detail == "[...]: a key: expected int, got str"


def test_pydantic_names_every_wrong_field() -> None:
    error = refused(b'{"name": 1, "numbers": [1, "x"]}', Model)
    assert [one.field for one in error.fields] == ["name", "numbers[1]"]


def test_a_callers_long_name_is_cut() -> None:
    assert len(refused(b'{"%s": 1}' % (b"x" * 100_000)).detail) < 200


@pytest.mark.parametrize(
    ("kind", "body", "field"),
    [
        (Basket, b'{"note": "a\\u0000b"}', "note"),
        (Basket, b'{"lines": [{"sku": "A"}, {"sku": "\\u0000"}]}', "lines[1].sku"),
        (Basket, b'{"extra": {"deep": ["\\u0000"]}}', "extra.deep[0]"),
        (Basket, b'{"tags": {"\\u0000": "x"}}', "tags"),
        (Plain, b'{"name": "\\u0000"}', "name"),
        (Model, b'{"name": "\\u0000"}', "name"),
        (str, b'"\\u0000"', ""),
    ],
)
def test_a_nul_character_is_refused_and_named(kind: Any, body: bytes, field: str) -> None:
    error = refused(body, kind)
    assert isinstance(error, Invalid)
    assert [one.field for one in error.fields] == [field]


def test_an_escaped_backslash_is_no_nul() -> None:
    assert decoder_for(Seen)(b'{"name": "\\\\u0000"}') == Seen("\\u0000")


class Wrapped(msgspec.Struct):
    note: str
    data: msgspec.Raw


def test_what_is_decoded_later_is_looked_at_and_does_not_break_the_look() -> None:
    wrapped = decoder_for(Wrapped)(b'{"note": "\\\\u0000", "data": {"text": "\\\\u0000"}}')
    assert wrapped.note == "\\u0000"
    with pytest.raises(Invalid, match=r"data\.text"):
        decoder_for(Wrapped)(b'{"note": "", "data": {"text": "\\u0000"}}')


def test_a_reader_of_replies_ignores_what_it_does_not_know() -> None:
    assert decoder_for(Seen)(b'{"name": "a", "more": {"x": "\\u0000"}}') == Seen("a")


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert decoder_for(Seen)(b'{"name": "a", "name": "b"}') == Seen("b")


def test_whole_numbers_keep_every_digit() -> None:
    assert (
        decoder_for(Line)(b'{"sku": "A", "quantity": 123456789012345678901234567890}').quantity
        == 123456789012345678901234567890
    )


@given(st.binary(max_size=200))
def test_no_bytes_raise_anything_but_an_error_for_the_caller(body: bytes) -> None:
    for kind in (Basket, Seen, Plain, Model, list[Line], dict[str, Money]):
        try:
            decoder_for(kind)(body)
        except Error as error:
            assert 400 <= error.status < 500


JSON_VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@given(st.dictionaries(st.sampled_from(["lines", "note", "weight", "price", "extra", "tags", "other"]), JSON_VALUES))
def test_any_json_is_read_or_refused_with_a_field(values: dict[str, Any]) -> None:
    try:
        basket = decoder_for(Basket)(json.dumps(values).encode("utf-8", "surrogatepass"))
    except BadRequest:
        return  # a lone surrogate
    except Invalid as error:
        assert error.fields
        assert encode(error.problem())
    else:
        assert decoder_for(Basket)(encode(basket)) == basket


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))
LINES = st.builds(Line, TEXT, st.integers(-(2**63), 2**64 - 1))


@given(
    st.builds(
        Basket,
        lines=st.lists(LINES, max_size=3).map(tuple),
        note=TEXT,
        weight=st.floats(allow_nan=False, allow_infinity=False),
        price=st.decimals(allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30),
        extra=st.none() | st.booleans() | TEXT,
        tags=st.dictionaries(TEXT, TEXT, max_size=3),
    )
)
def test_what_is_encoded_is_decoded_the_same(basket: Basket) -> None:
    assert decoder_for(Basket)(encode(basket)) == basket
    assert decoder_for(Basket)(encoder_for(Basket)(basket)) == basket


@given(st.builds(Model, name=TEXT, numbers=st.lists(st.integers())))
def test_pydantic_models_too(model: Model) -> None:
    assert decoder_for(Model)(encode(model)) == model
    assert decoder_for(Model)(encoder_for(Model)(model)) == model


@given(TEXT)
def test_dataclasses_too(name: str) -> None:
    assert decoder_for(Plain)(encode(Plain(name))) == Plain(name)


def test_no_reply_is_no_bytes() -> None:
    assert encoder_for(None)(None) == b""


def test_ids_and_decimals_travel_as_text() -> None:
    assert (
        encode({"id": UUID(int=1), "price": Decimal("1.10")})
        == b'{"id":"00000000-0000-0000-0000-000000000001","price":"1.10"}'
    )


class Query(Input):
    limit: int = 20
    ratio: float = 1.0
    names: list[str] = []


def test_text_becomes_what_the_field_wants() -> None:
    assert converter_for(Query)({"limit": "3", "names": ["a", "b"]}) == Query(3, 1.0, ["a", "b"])


@pytest.mark.parametrize(
    ("values", "field"),
    [
        ({"limit": "many"}, "limit"),
        ({"limit": "9" * 5000}, "limit"),
        ({"ratio": "nan"}, "ratio"),
        ({"ratio": "-inf"}, "ratio"),
        ({"names": ["a", "\0"]}, "names"),
        ({"names": ["\ud800"]}, "names"),
        ({"\0": "x"}, "\\0"),
        ({"page": "2"}, "page"),
    ],
)
def test_a_wrong_parameter_is_named(values: dict[str, Any], field: str) -> None:
    with pytest.raises(Invalid) as caught:
        converter_for(Query)(values)
    assert [one.field for one in caught.value.fields] == [field]
    assert encode(caught.value.problem())


def test_a_pydantic_query_is_checked_too() -> None:
    assert converter_for(Model)({"name": "a", "numbers": ["1"]}) == Model(name="a", numbers=[1])
    with pytest.raises(Invalid, match="name"):
        converter_for(Model)({"name": "\0"})


@given(
    st.dictionaries(
        st.text(max_size=5) | st.just("limit"), st.text(max_size=8) | st.lists(st.text(max_size=3), max_size=2)
    )
)
def test_no_text_raises_anything_but_invalid(values: dict[str, Any]) -> None:
    for kind in (Query, Model):
        try:
            converter_for(kind)(values)
        except Invalid as error:
            assert error.fields
            msgspec.json.encode(error.problem())
