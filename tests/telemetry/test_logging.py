"""Log lines: JSON for machines, text for people, with the request that they belong to and nothing that breaks them."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from atoll.service import Request, current_request
from atoll.telemetry import configure_logging

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


@pytest.fixture
def stream() -> Iterator[io.StringIO]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield io.StringIO()
    root.handlers[:], root.level = handlers, level


def logged(stream: io.StringIO) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(stream.getvalue())
    return found


def test_a_json_line_names_the_service_and_the_request(stream: io.StringIO) -> None:
    configure_logging(form="json", level="info", fields={"service": "orders"}, stream=stream)
    token = current_request.set(
        Request("orders.place", None, headers={"traceparent": f"00-{TRACE}-00f067aa0ba902b7-01"})
    )
    try:
        logging.getLogger("shop").info("placed %s", "o-1", extra={"total": 3})
    finally:
        current_request.reset(token)
    line = logged(stream)
    assert line["message"] == "placed o-1"
    assert (line["service"], line["operation"], line["trace_id"], line["total"]) == ("orders", "orders.place", TRACE, 3)


def test_a_message_with_line_breaks_stays_one_line(stream: io.StringIO) -> None:
    configure_logging(form="json", level="info", fields={}, stream=stream)
    logging.getLogger("shop").info("one\ntwo")
    assert stream.getvalue().count("\n") == 1


def test_an_exception_comes_with_its_traceback(stream: io.StringIO) -> None:
    configure_logging(form="json", level="info", fields={}, stream=stream)
    try:
        raise ValueError("boom")
    except ValueError:
        logging.getLogger("shop").exception("failed")
    assert "ValueError: boom" in logged(stream)["error"]


def test_text_is_for_people(stream: io.StringIO) -> None:
    configure_logging(form="text", level="info", fields={}, stream=stream)
    logging.getLogger("shop").warning("slow", extra={"seconds": 2})
    assert "warning  shop  slow  seconds=2" in " ".join(stream.getvalue().split(" ", 1)[1:])
