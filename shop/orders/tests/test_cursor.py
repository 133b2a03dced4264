"""Cursors: what was made is read back, and nothing else is read at all."""

from __future__ import annotations

import re

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from atoll.contracts import Invalid, new_id
from shop_contracts import OrderId
from shop_orders.cursor import decode_cursor, encode_cursor


def is_cursor(text: str) -> bool:
    """22 characters of base64url whose last one has no stray bits: 128 bits, and nothing else."""
    return re.fullmatch(r"[A-Za-z0-9_-]{21}[AQgw]", text) is not None


@given(st.uuids())
def test_a_cursor_is_read_back(order: OrderId) -> None:
    assert decode_cursor(encode_cursor(order)) == order


@given(st.text(max_size=200))
def test_any_other_text_is_refused_by_name(text: str) -> None:
    assume(not is_cursor(text))
    with pytest.raises(Invalid) as caught:
        decode_cursor(text)
    assert [one.field for one in caught.value.fields] == ["query:cursor"]


@pytest.mark.parametrize(
    "change", [lambda c: c[:-1], lambda c: c + "A", lambda c: c + "==", lambda c: "!" + c[1:], lambda c: c[:-1] + "x"]
)
def test_a_changed_cursor_is_refused(change: object) -> None:
    cursor = encode_cursor(new_id(OrderId))
    with pytest.raises(Invalid, match="cursor"):
        decode_cursor(change(cursor))  # type: ignore[operator]
