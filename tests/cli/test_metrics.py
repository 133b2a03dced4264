"""``atoll metrics`` adds up what the dashboard stored of the services' own metrics."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from atoll.cli import atoll
from atoll.platform.dashboard import Batch, Sample, Store
from atoll.system.trouble import Trouble

SECOND = 10**9
SERVED = "http_server_request_duration_seconds"
HANDLED = "messaging_process_duration_seconds"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "system.py"
    path.write_text("from atoll.system import System\nsystem = System('tiny')\n")
    (tmp_path / ".atoll").mkdir()
    return path


@pytest.fixture
def stored(file: Path) -> Path:
    store = Store(file.parent / ".atoll" / "telemetry.db")
    start = time.time_ns() - 30 * SECOND
    told: list[Sample] = []
    for at in range(4):
        when = start + at * 5 * SECOND
        for route, status, each in (("/orders", "201", 9), ("/orders", "500", 1), ("/quote\x1b[2J", "200", 5)):
            labels = {"http_request_method": "POST", "http_route": route, "http_response_status_code": status}
            told += histogram(SERVED, "orders", labels, when, at * each)
        told += histogram(HANDLED, "payments", {"messaging_destination_name": "order.created"}, when, at * 2)
        told.append(Sample(when, "orders", "orders-1", "atoll_outbox_pending", "{}", float(at)))
        told.append(Sample(when, "orders", "orders-1", "process_cpu_seconds_total", "{}", float(at * 5)))
    store.write(Batch(samples=tuple(told)))
    store.close()
    return file


def histogram(name: str, service: str, labels: dict[str, str], when: int, count: int) -> list[Sample]:
    return [
        Sample(when, service, f"{service}-1", f"{name}_bucket", json.dumps({**labels, "le": le}), float(count))
        for le in ("0.1", "+Inf")
    ]


def ask(file: Path, *words: str) -> Result:
    return CliRunner().invoke(atoll, ["-f", str(file), "metrics", *words], catch_exceptions=True)


def rows(file: Path, *words: str) -> list[dict[str, Any]]:
    result = ask(file, "--json", *words)
    assert result.exit_code == 0, result.output
    found: list[dict[str, Any]] = json.loads(result.output)
    return found


def test_operations_and_events_with_rates_errors_and_times(stored: Path) -> None:
    found = {(one["kind"], one["service"], one["operation"]): one for one in rows(stored)}
    orders = found["served", "orders", "POST /orders"]
    assert (orders["count"], orders["errors"]) == (30, pytest.approx(0.1))
    assert orders["rate"] == pytest.approx(0.5, rel=0.01)
    assert 0 < orders["p50"] < orders["p99"] <= 0.1
    assert found["handled", "payments", "order.created"]["count"] == 6


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--service", "payments"), ["order.created"]),
        (("--operation", "ORDERS"), ["POST /orders"]),
        (("--kind", "handled"), ["order.created"]),
        (("--errors",), ["POST /orders"]),
        (("--service", "nobody"), []),
        (("--since", "1s"), []),
    ],
)
def test_they_are_filtered(stored: Path, words: tuple[str, ...], expected: list[str]) -> None:
    assert [one["operation"] for one in rows(stored, *words)] == expected


def test_a_table_steers_no_terminal(stored: Path) -> None:
    said = ask(stored).output
    assert said.splitlines()[0].split()[:3] == ["KIND", "SERVICE", "OPERATION"]
    assert "POST /quote?[2J" in said
    assert "\x1b" not in said


@pytest.mark.parametrize(
    ("words", "value"),
    [
        (("atoll_outbox_pending",), 3.0),
        (("process_cpu_seconds_total", "--by", "service"), 1.0),
        ((SERVED, "--show", "p50", "--service", "orders"), 0.05),
    ],
)
def test_one_metric_as_fits_its_kind(stored: Path, words: tuple[str, ...], value: float) -> None:
    (line,) = rows(stored, *words)
    assert line["labels"] == {"service": "orders"}
    assert line["value"] == pytest.approx(value)
    assert "orders" in ask(stored, *words).output


def test_the_names_there_are(stored: Path) -> None:
    assert {one["name"]: one["kind"] for one in rows(stored, "--names")} == {
        SERVED: "histogram", HANDLED: "histogram", "atoll_outbox_pending": "gauge", "process_cpu_seconds_total": "counter",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("nothing_of_that_name",), "--names"),
        (("nothing_of_that_name", "-F"), "--names"),
        (("atoll_outbox_pending", "--by", "service,colour"), "has no label 'colour'; it has service"),
    ],
)
def test_a_wrong_question_is_one_line(stored: Path, words: tuple[str, ...], said: str) -> None:
    error = ask(stored, *words).exception
    assert isinstance(error, Trouble)
    assert said in str(error)


def test_where_nothing_was_counted_it_says_where_to_look(stored: Path) -> None:
    assert "--since 1h" in ask(stored, "--since", "1s").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--service", "nobody"), "nothing was counted; nothing is stored of 'nobody', but of orders, payments"),
        (("--service", "payments", "--errors"), "nothing failed in the last 1m; --since 1h looks further back"),
        (
            ("--service", "payments", "--kind", "served"),
            "nothing was counted in the last 1m; --since 1h looks further back",
        ),
    ],
)
def test_nothing_found_says_why(stored: Path, words: tuple[str, ...], said: str) -> None:
    assert ask(stored, *words).output == f"{said}\n"
    assert json.loads(ask(stored, *words, "--json").output) == []


def test_a_time_that_is_none_names_the_option(stored: Path) -> None:
    result = ask(stored, "--since", "long")
    assert result.exit_code == 2
    assert "'--since': 'long' is no time; write it as 250ms, 1.5s or 15m" in result.output


def test_following_shows_it_again(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter(range(2))

    def pause(_: float) -> None:
        if next(looks, None) is None:
            raise KeyboardInterrupt

    monkeypatch.setattr("atoll.cli.metrics.time.sleep", pause)
    said = [json.loads(line) for line in ask(stored, "-F", "--json", "--kind", "handled").stdout.splitlines()]
    assert [one["operation"] for one in said] == ["order.created"] * 3
    assert all(one["time"] for one in said)
