"""The strict cases of the public W3C trace-context harness, over a real connection: what a service passes on of what came.

They need nothing installed; `test_w3c` runs the harness itself where there is one.
"""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import AsyncIterator, Sequence
from urllib.parse import urlsplit

import pytest

from atoll.contracts import PUBLIC, Api, Message, Operation
from atoll.serve.assemble import assemble
from atoll.serve.environment import Environment
from atoll.service import Service, implements
from atoll.service.tracing import trace_headers

TRACE, SPAN = "12345678901234567890123456789012", "1234567890123456"
PARENT = f"00-{TRACE}-{SPAN}-01"
Pairs = Sequence[tuple[str, str]]


class Passed(Message):
    traceparent: str
    tracestate: str = ""


class Mirror(Api):
    look = Operation("GET /look", None, Passed, access=PUBLIC)


@implements(Mirror.look)
async def look() -> Passed:
    """What a call would go out with."""
    headers = trace_headers(None)
    return Passed(headers["traceparent"], headers.get("tracestate", ""))


@pytest.fixture
async def url() -> AsyncIterator[str]:
    running = assemble(
        Service("mirror", handlers=[look]), Environment(port=0), {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:9"}
    )
    await asyncio.create_task(running.start())
    yield running.url
    await running.stop()


async def passed(url: str, pairs: Pairs) -> tuple[str, str, str]:
    """The trace, the flags and the state that go on."""

    def ask() -> dict[str, str]:
        connection = http.client.HTTPConnection(urlsplit(url).netloc)
        connection.putrequest("GET", "/look")
        for name, value in pairs:
            connection.putheader(name, value)
        connection.endheaders()
        with connection.getresponse() as reply:
            assert reply.status == 200
            found: dict[str, str] = json.loads(reply.read())
        connection.close()
        return found

    found = await asyncio.to_thread(ask)
    version, trace, span, flags = found["traceparent"].split("-")
    assert (version, len(trace), len(span)) == ("00", 32, 16)
    assert span not in {SPAN, "0" * 16}
    assert trace != "0" * 32
    return trace, flags, found.get("tracestate", "")


@pytest.mark.parametrize(
    ("pairs", "state"),
    [
        ([("traceparent", PARENT)], ""),
        ([("TraceParent", PARENT), ("TraceState", "foo=1")], "foo=1"),
        ([("traceparent", f" {PARENT} \t")], ""),
        ([("traceparent", f"cc{PARENT[2:]}-what-the-future-will-be-like")], ""),
        ([("tracestate", "foo=1"), ("traceparent", PARENT), ("tracestate", "bar=2")], "foo=1,bar=2"),
        ([("traceparent", PARENT), ("tracestate", "foo=1 \t , \t bar=2")], "foo=1,bar=2"),
        ([("traceparent", PARENT), ("tracestate", "foo=1"), ("tracestate", "")], "foo=1"),
        ([("traceparent", PARENT), ("tracestate", "FOO=1")], ""),
        ([("traceparent", PARENT), ("tracestate", ",".join(f"k{n}=1" for n in range(33)))], ""),
    ],
)
async def test_a_trace_goes_on(url: str, pairs: Pairs, state: str) -> None:
    trace, flags, told = await passed(url, pairs)
    assert (trace, int(flags, 16) & 1, told) == (TRACE, 1, state)


@pytest.mark.parametrize(
    "pairs",
    [
        [],
        [("tracestate", "foo=1")],
        [("traceparent", PARENT), ("traceparent", PARENT)],
        [("traceparent", PARENT), ("traceparent", f"00-{TRACE[::-1]}-{SPAN}-01")],
        [("trace-parent", PARENT), ("tracestate", "foo=1")],
        [("traceparent", f"ff{PARENT[2:]}"), ("tracestate", "foo=1")],
        [("traceparent", f"{PARENT}-more"), ("tracestate", "foo=1")],
        [("traceparent", f"00-{'0' * 32}-{SPAN}-01"), ("tracestate", "foo=1")],
        [("traceparent", f"00-{TRACE}-{'0' * 16}-01"), ("tracestate", "foo=1")],
        [("traceparent", f"00-{'A' * 32}-{SPAN}-01"), ("tracestate", "foo=1")],
    ],
)
async def test_a_trace_begins_anew_without_what_came(url: str, pairs: Pairs) -> None:
    trace, _, state = await passed(url, pairs)
    assert trace not in {TRACE, TRACE[::-1], "a" * 32}
    assert state == ""
