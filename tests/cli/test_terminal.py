"""Nothing that somebody else wrote steers the terminal that it is shown on."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from atoll.cli.dead_letters import _show
from atoll.cli.events import _line
from atoll.cli.tables import plain_lines, plain_text, print_table
from atoll.messaging import DeadLetter
from atoll.operate import PassingEvent
from atoll.operate.letters import LetterDetail, LetterOf

EVIL = "\x1b]0;owned\x07\x1b[2J\x9b31m\r\b\u202eevil"


def harmless(text: str) -> bool:
    return all(letter.isprintable() or letter in "\n\t" for letter in text) and "evil" in text


def test_texts_are_plain() -> None:
    assert plain_text("a\tb\n") == "a?b?"
    assert plain_lines("a\tb\nc\x1b") == "a\tb\nc?"
    assert harmless(plain_text(EVIL))


def test_a_table_is(capsys: pytest.CaptureFixture[str]) -> None:
    print_table(("KEY",), [(EVIL,)])
    assert harmless(capsys.readouterr().out)


def test_an_event_is() -> None:
    event = PassingEvent(EVIL, 1, 1, EVIL, EVIL, EVIL, 2, datetime.now(UTC), {"note": EVIL}, EVIL)
    assert harmless(_line(event))


def test_a_dead_letter_is(capsys: pytest.CaptureFixture[str]) -> None:
    letter = DeadLetter(1, EVIL, EVIL, EVIL, EVIL, EVIL.encode(), EVIL, f"{EVIL}\n{EVIL}", 1, datetime.now(UTC))
    _show(LetterDetail(LetterOf("orders", letter), []))
    assert harmless(capsys.readouterr().out)
