"""Baggage goes along as it came, with what is added on the way, and never larger than W3C lets it be."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from atoll.service import Request, current_request
from atoll.service.baggage import MOST_BYTES, baggage, baggage_header, carrying, read_baggage


@contextmanager
def handling(header: str | None) -> Iterator[None]:
    token = current_request.set(Request("orders.place", None, headers={} if header is None else {"baggage": header}))
    try:
        yield
    finally:
        current_request.reset(token)


def test_outside_of_a_request_there_is_none() -> None:
    assert baggage() == {}
    assert baggage_header() == ""


def test_what_came_goes_on_with_its_properties() -> None:
    with handling("tenant=acme;ttl=3, user=a%20b"):
        assert baggage_header() == "tenant=acme;ttl=3, user=a%20b"
        assert baggage() == {"tenant": "acme", "user": "a b"}


def test_what_is_added_goes_along_and_only_inside() -> None:
    with handling("tenant=acme,step=1"):
        with carrying(step="2"), carrying(campaign="autumn, late"):
            assert baggage() == {"tenant": "acme", "step": "2", "campaign": "autumn, late"}
            assert read_baggage(baggage_header()) == baggage()
        assert baggage_header() == "tenant=acme,step=1"


@pytest.mark.parametrize("header", ["a=" + "x" * MOST_BYTES, "a=ü", "a=1\n", ""])
def test_what_is_no_baggage_goes_nowhere(header: str) -> None:
    with handling(header):
        assert baggage_header() == ""


def test_too_much_cannot_be_added() -> None:
    with handling(None), pytest.raises(ValueError, match="too large"), carrying(a="x" * MOST_BYTES):
        pass
