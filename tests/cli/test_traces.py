"""``atoll traces`` reads what is stored, whether or not anything runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from tests.platform.dashboard.telling import span

from atoll.cli import atoll
from atoll.platform.dashboard import Batch, Store
from atoll.system.trouble import Trouble

SYSTEM = "from atoll.system import System\nsystem = System('tiny')\n"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "system.py"
    path.write_text(SYSTEM)
    (tmp_path / ".atoll").mkdir()
    return path


@pytest.fixture
def stored(file: Path) -> Path:
    store = Store(file.parent / ".atoll" / "telemetry.db")
    bad = span(2, 1, service="payments", name="ch\x1b[2Jarge", status=2, message="declined")
    store.write(Batch((span(1), bad, span(1, trace=2, duration=900_000_000))))
    store.close()
    return file


def ask(file: Path, *words: str) -> Result:
    return CliRunner().invoke(atoll, ["-f", str(file), "traces", *words], catch_exceptions=True)


def listed(file: Path, *words: str) -> set[int]:
    result = ask(file, "--json", *words)
    assert result.exit_code == 0, result.output
    return {int(row["trace"], 16) for row in json.loads(result.output)}


def test_traces_are_filtered(stored: Path) -> None:
    assert listed(stored) == {1, 2}
    assert listed(stored, "--errors") == {1}
    assert listed(stored, "--at-least", "500ms") == {2}
    assert listed(stored, "--service", "payments") == {1}
    assert listed(stored, "--slowest", "-n", "1") == {2}
    assert listed(stored, "--grep", "post /ORDERS") == {1, 2}
    assert listed(stored, "--grep", "jwks") == set()


def test_a_trace_is_shown_as_its_tree_and_steers_no_terminal(stored: Path) -> None:
    result = ask(stored, f"{1:032x}")
    assert "orders: POST /orders" in result.output
    assert "    payments: ch?[2Jarge  ! declined".lstrip() in result.output
    assert "\x1b" not in result.output


def test_nothing_that_fits_is_one_line(stored: Path) -> None:
    assert ask(stored, "--service", "orders", "--at-least", "1h").output == "no trace fits\n"


def test_a_service_that_nobody_knows_is_told_with_those_there_are(stored: Path) -> None:
    said = "no trace fits; nothing is stored of 'ordrs', but of orders, payments\n"
    assert ask(stored, "--service", "ordrs").output == said
    assert json.loads(ask(stored, "--service", "ordrs", "--json").output) == []


@pytest.mark.parametrize(
    ("words", "said"),
    [(("zz",), "no trace id"), (("abcdef12",), "it has 32 hexadecimal digits"), (("ab" * 16,), "too old")],
)
def test_a_wrong_question_is_one_line(stored: Path, words: tuple[str, ...], said: str) -> None:
    error = ask(stored, *words).exception
    assert isinstance(error, Trouble)
    assert said in str(error)


@pytest.mark.parametrize("option", ["--at-least", "--since"])
def test_a_time_that_is_none_names_the_option(stored: Path, option: str) -> None:
    result = ask(stored, option, "soon")
    assert result.exit_code == 2
    assert f"'{option}': 'soon' is no time; write it as 250ms, 1.5s or 15m" in result.output


def test_where_nothing_ran_it_says_so(file: Path) -> None:
    error = ask(file).exception
    assert isinstance(error, Trouble)
    assert "atoll up" in str(error)
