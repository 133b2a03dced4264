"""What was put into a text, and must not leave with it."""

from __future__ import annotations

import logging
import time
from typing import Any

import pytest

from atoll.service.tracing import SpanPlan
from atoll.telemetry.otlp_logs import extra_fields
from atoll.telemetry.otlp_spans import encode_spans
from atoll.telemetry.redaction import COVER, redacted, traceback_of

HIDDEN = "hunter2"


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ('{"password": "hunter2 and more", "a": 1}', f'{{"password": "{COVER}", "a": 1}}'),
        ("password='it is hunter2' said", f"password='{COVER}' said"),
        (r"{\"password\": \"my hunter2\"}", rf"{{\"password\": \"{COVER}\"}}"),
        ("{'password': b'hunter2'}", f"{{'password': b'{COVER}'}}"),
        ("Login(name='ada', secret='a hunter2', age=3)", f"Login(name='ada', secret='{COVER}', age=3)"),
        ("Authorization: Basic aHVudGVyMjpodW50ZXIy", f"Authorization: {COVER} {COVER}"),
        ("pwd=hunter2;x=1", f"pwd={COVER};x=1"),
        ("private_key: hunter2", f"private_key: {COVER}"),
        ("paid=-4111111111111111", f"paid=-{COVER}"),
        (
            "invalid input for query argument $1: 'hunter2' (expected str, got int)",
            f"invalid input for query argument $1: {COVER} (expected str, got int)",
        ),
        ('invalid input syntax for type uuid: "hunter2"', f"invalid input syntax for type uuid: {COVER}"),
        ('value "41" is out of range for type smallint', f"value {COVER} is out of range for type smallint"),
        ('date/time field value out of range: "hunter2"', f"date/time field value out of range: {COVER}"),
        ("taken\nDETAIL:  Key (name)=(hunter2\nHINT: hunter2) already exists.", "taken"),
    ],
)
def test_what_is_covered(text: str, left: str) -> None:
    assert redacted(text) == left


@pytest.mark.parametrize(
    "text",
    [
        "the order 0192f3a4-5b6c-7d8e-9f00-112233445566 was placed",
        "took 1234567890123 ns",
        "invalid input: give a name",
        'value "41" is fine',
        "DETAIL: none",
    ],
)
def test_what_stays(text: str) -> None:
    assert redacted(text) == text


def test_an_error_with_its_causes_shows_no_row() -> None:
    try:
        try:
            raise ValueError("taken\nDETAIL:  Failing row contains (hunter2,\nTraceback hunter2).")
        except ValueError as error:
            raise ExceptionGroup("two", [error, KeyError("other")]) from error
    except ExceptionGroup as group:
        text = traceback_of(group)
    assert HIDDEN not in text.replace(
        'DETAIL:  Failing row contains (hunter2,\\nTraceback hunter2).")', ""
    )  # this file's own line
    assert "ValueError: taken\n" in text
    assert "KeyError: 'other'" in text
    assert "direct cause" in text


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("password", HIDDEN, COVER),
        ("login.token", 12, COVER),
        ("card", 4111111111111111, COVER),
        ("order", 1234567890123, 1234567890123),
        ("note", HIDDEN, HIDDEN),
        ("seconds", 4111111111111111.0, 4111111111111111.0),
    ],
)
def test_attributes_and_fields_are_covered_by_name_and_look(name: str, value: Any, shown: Any) -> None:
    record = logging.makeLogRecord({"msg": "x", name: value})
    assert extra_fields(record) == {name: shown}
    trace: Any = type("Told", (), {"id": "1" * 32, "state": ""})
    sent = encode_spans(b"", [(trace, 1, 0, SpanPlan("login", 1), 0, 1, {name: value}, None, ())])
    assert (str(value).encode() in sent) == (shown == value and isinstance(value, str))
    assert (COVER.encode() in sent) == (shown == COVER)


def test_a_text_of_a_megabyte_is_looked_through_in_time_that_grows_with_it() -> None:
    pieces = (
        "a@",
        'password="',
        "password='x ",
        "://a:",
        "eyJaaaaaa.",
        "1 ",
        "invalid input syntax for ",
        'value "',
        "\n |",
    )
    for piece in pieces:
        took = []
        for size in (20_000, 200_000):
            begun = time.process_time()
            redacted(f"invalid input DETAIL: {piece * (size // len(piece))}")
            took.append(time.process_time() - begun)
        assert took[1] < 60 * took[0] + 0.5, piece  # ten times the text: a hundred times the time would be its square
