"""W3C Trace Context and Baggage: the facts of the public harness's strict cases, one by one (see `test_w3c` for the harness)."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.service.baggage import read_baggage, write_baggage
from atoll.telemetry.context import read_context, read_state

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"


@pytest.mark.parametrize(
    "header",
    [
        f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00", f" 00-{TRACE}-{SPAN}-01\t",
        f"cc-{TRACE}-{SPAN}-01", f"cc-{TRACE}-{SPAN}-01-what-the-future-will-be-like",
    ],
)  # fmt: skip
def test_a_traceparent_that_can_be_believed(header: str) -> None:
    found = read_context({"traceparent": header})
    assert found is not None
    assert (found.trace_id, found.span_id) == (TRACE, int(SPAN, 16))


@pytest.mark.parametrize(
    "header",
    [
        "", "00", f"00-{TRACE}-{SPAN}", f"ff-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01-", f"00-{TRACE}-{SPAN}-01-x",
        f"cc-{TRACE}-{SPAN}-01.x", f"00-{TRACE}-{SPAN}-1", f"00-{TRACE}-{SPAN}-0x", f".0-{TRACE}-{SPAN}-01",
        f"0-{TRACE}-{SPAN}-01", f"000-{TRACE}-{SPAN}-01", f"00-{'0' * 32}-{SPAN}-01", f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[:-1]}.-{SPAN}-01", f"00-{TRACE[:-1]}-{SPAN}-01", f"00-{TRACE}-{SPAN[:-1]}-01", f"00-{TRACE}0-{SPAN}-01",
        f"00-{'ABCDEF' + TRACE[6:]}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01,00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-01\n",
    ],
)  # fmt: skip
def test_one_that_cannot(header: str) -> None:
    assert read_context({"traceparent": header, "tracestate": "a=1"}) is None


@pytest.mark.parametrize(
    ("header", "read"),
    [
        ("foo=1,bar=2", "foo=1,bar=2"), ("foo=1 \t , \t bar=2, \t baz=3", "foo=1,bar=2,baz=3"), ("foo=1,", "foo=1"),
        (",foo=1,,bar=2", "foo=1,bar=2"), ("", ""), ("foo", ""), ("foo=", ""), ("=1", ""), ("foo=1=2", ""),
        ("foo =1", ""), ("FOO=1", ""), ("foo.bar=1", ""), ("foo@=1,bar=2",) * 2, ("@foo=1,bar=2", ""),
        ("foo@@bar=1,bar=2",) * 2, ("foo@bar@baz=1,bar=2",) * 2, ("foo=1,foo=2",) * 2, ("foo=öäü", ""),
        ("0foo@bar=1", "0foo@bar=1"), ("foo=bar=baz", ""), ("foo=1;2", "foo=1;2"), ("foo-_*/bar=bar4", "foo-_*/bar=bar4"),
        ("z" * 256 + "=1", "z" * 256 + "=1"), ("z" * 257 + "=1", ""), ("t" * 241 + "@" + "v" * 14 + "=1",) * 2,
        ("t" * 242 + "@v=1",) * 2, ("t@" + "v" * 15 + "=1",) * 2, ("foo=" + "v" * 256,) * 2, ("foo=" + "v" * 257, ""),
        (",".join(f"k{n}=1" for n in range(32)),) * 2, (",".join(f"k{n}=1" for n in range(33)), ""),
    ],
)  # fmt: skip
def test_tracestate_is_passed_on_whole_or_not_at_all(header: str, read: str) -> None:
    assert read_state(header) == read
    context = read_context({"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": header})
    assert context is not None
    assert context.state == read


@given(st.dictionaries(st.from_regex(r"[a-zA-Z0-9_.-]{1,20}", fullmatch=True), st.text(max_size=40), max_size=10))
def test_baggage_that_was_written_is_read(members: dict[str, str]) -> None:
    assert read_baggage(write_baggage(members)) == members


def test_baggage_without_what_is_wrong_in_it() -> None:
    assert read_baggage("a=1;secret=x, b = two%20words ,nothing,=x, c d=1") == {"a": "1", "b": "two words"}
    assert read_baggage("a=" + "x" * 9000) == {}
    assert len(read_baggage(",".join(f"k{n}=1" for n in range(100)))) == 64
