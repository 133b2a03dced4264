"""What is odd, damaged, too heavy or too slow costs nothing but itself."""

from __future__ import annotations

import logging
import os
import socket
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
from tests.platform.dashboard.telling import otlp, running, span

from atoll.platform.dashboard import Batch, Intake, Log, Sample, Store, rates
from atoll.platform.dashboard import receiver as receiving
from atoll.platform.dashboard.asking import LogQuery
from atoll.platform.dashboard.intake import MOST_READ, MOST_WEIGHT
from atoll.platform.dashboard.lines import record_of
from atoll.platform.dashboard.records import find_logs
from atoll.platform.dashboard.series import MOST_LABELS

PROTOBUF = {"content-type": "application/x-protobuf"}
NOW = time.time_ns()


def line(text: str = "well", at: int = NOW) -> Log:
    return Log(at, "orders", "orders-1", 9, text, b"", b"", "{}")


def sample(name: str, value: float = 1.0, *, labels: str = "{}", at: int = NOW) -> Sample:
    return Sample(at, "orders", "orders-1", name, labels, value)


def stored(store: Store) -> list[tuple[str, float]]:
    rows = store.rows("SELECT name, value FROM samples JOIN series ON series.id = series ORDER BY name, time")
    return [(row["name"], row["value"]) for row in rows]


def lines(store: Store) -> list[str]:
    return [row["message"] for row in store.rows("SELECT message FROM logs ORDER BY id")]


@contextmanager
def taking(store: Store) -> Iterator[Intake]:
    intake = Intake(store)
    intake.start()
    try:
        yield intake
    finally:
        intake.stop()
        store.close()


def test_a_value_that_is_no_number_costs_no_other_row(tmp_path: Path) -> None:
    with taking(Store(tmp_path / "telemetry.db")) as intake:
        intake.offer(Batch(logs=(line(),), samples=(sample("jobs", float("nan")), sample("size", float("inf")))))
        intake.settle()
        assert intake.counts().failed == 0
        assert lines(intake._store) == ["well"]
        assert stored(intake._store) == [("size", float("inf"))]


def test_what_cannot_be_stored_costs_no_other_senders_rows(tmp_path: Path) -> None:
    intake = Intake(Store(tmp_path / "telemetry.db"))
    for text in ("before", "half a character: \ud800", "after"):
        intake.offer(Batch(logs=(line(text),)))
    intake.start()
    intake.settle()
    assert intake.counts().kept == 2
    assert intake.counts().failed == 1
    intake.offer(Batch(logs=(line("and on"),)))
    intake.stop()
    assert lines(intake._store) == ["before", "after", "and on"]


def test_a_batch_that_was_given_up_leaves_no_number_of_a_series_behind(tmp_path: Path) -> None:
    store = Store(tmp_path / "telemetry.db")
    with pytest.raises(UnicodeEncodeError):
        store.write(Batch(samples=(sample("lent"), sample("half \ud800"))))
    store.write(Batch(samples=(sample("books", 2.0),)))
    store.write(Batch(samples=(sample("lent", 3.0),)))
    assert stored(store) == [("books", 2.0), ("lent", 3.0)]


def test_two_dashboards_on_one_store_take_the_same_series(tmp_path: Path) -> None:
    one, other = (Store(tmp_path / "telemetry.db") for _ in range(2))
    one.write(Batch(samples=(sample("lent", 1.0, at=NOW), sample("books", 5.0, at=NOW))))
    other.write(Batch(samples=(sample("lent", 2.0, at=NOW + 1),)))
    one._writer.execute("DELETE FROM series WHERE name = 'books'")  # as trimming does
    one._writer.execute("DELETE FROM samples WHERE value = 5.0")
    other.write(Batch(samples=(sample("books", 6.0, at=NOW + 2),)))
    assert stored(one) == [("books", 6.0), ("lent", 1.0), ("lent", 2.0)]


@pytest.mark.parametrize("content", [b"no database at all" * 1_000, b"SQLite format 3\0" + b"\xff" * 5_000])
def test_a_file_that_is_no_store_is_begun_anew(
    tmp_path: Path, content: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "telemetry.db"
    file.write_bytes(content)
    store = Store(file)
    store.write(Batch(logs=(line(),)))
    assert lines(store) == ["well"]
    assert "is damaged" in caplog.text


def test_a_store_that_is_damaged_inside_is_begun_anew_when_it_is_written(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "telemetry.db"
    store = Store(file)
    for _ in range(20):
        store.write(Batch(logs=tuple(line("x" * 500) for _ in range(200))))
    store.close()
    with file.open("r+b") as damaged:
        for place in range(4_096, file.stat().st_size, 4_096):
            damaged.seek(place)
            damaged.write(os.urandom(2_000))
    store = Store(file)
    with pytest.raises(sqlite3.DatabaseError):
        lines(store)
    store.write(Batch(logs=(line(),)))
    assert lines(store) == ["well"]
    assert "is damaged" in caplog.text


def test_what_is_damaged_is_said_to_whoever_asks(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        served.send([span(1)])
        store = next(tmp_path.glob("*.db"))
        with store.open("r+b") as damaged:
            damaged.write(b"\xff" * store.stat().st_size)
        store.with_name(store.name + "-wal").unlink(missing_ok=True)
        status, _ = served.ask("/api/traces")
        assert status in {200, 503}


def test_series_that_nobody_has_samples_of_go_as_well(tmp_path: Path) -> None:
    store = Store(tmp_path / "telemetry.db", most=8 * 2**20)
    for number in range(80):
        labels = [f'{{"order":"{number}-{one}-{"x" * 1_000}"}}' for one in range(100)]
        store.write(Batch(samples=tuple(sample("lent", labels=one, at=NOW + number) for one in labels)))
    store.write(Batch(logs=tuple(line(str(number)) for number in range(1_000))))
    store.trim()
    assert store._used() <= store.most
    assert "999" in lines(store)
    (found,) = store.rows("SELECT count(*) AS n FROM series WHERE id NOT IN (SELECT series FROM samples)")
    assert found["n"] == 0
    store.write(Batch(samples=(sample("lent", 7.0, labels='{"order":"after"}', at=NOW + 1_000),)))
    assert stored(store)[-1] == ("lent", 7.0)


def test_a_series_with_endless_labels_is_not_kept_and_that_is_said(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "telemetry.db")
    endless = '{"a":"' + "x" * MOST_LABELS + '"}'
    store.write(Batch(samples=(sample("lent", labels=endless), sample("books"))))
    assert stored(store) == [("books", 1.0)]
    assert caplog.text.count("are not stored") == 1


def test_what_waits_is_bounded_by_its_weight_too(tmp_path: Path) -> None:
    intake = Intake(Store(tmp_path / "telemetry.db"))
    heavy = Batch(logs=(line("x" * 2**22),))
    taken = [intake.offer(heavy) for _ in range(MOST_WEIGHT // 2**22 + 1)]
    assert taken[0]
    assert not taken[-1]
    with intake.admitted() as room:
        assert not room


def test_a_heavy_flood_is_trimmed_while_it_lasts(tmp_path: Path) -> None:
    with taking(Store(tmp_path / "telemetry.db", most=8 * 2**20)) as intake:
        most = 0
        for _ in range(30):
            intake.offer(Batch(logs=tuple(line("x" * 10_000) for _ in range(400))))
            intake.settle()
            most = max(most, intake._store.size())
        assert intake.counts().kept == 30 * 400
    assert most < 8 * 2**20 + 3 * 4 * 2**20  # the bound, and what was written before it was looked at again


def test_who_dribbles_does_not_keep_others_out(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(receiving, "READ_WITHIN", 0.5)
    head = b"POST /v1/traces HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/x-protobuf\r\ncontent-length: 9\r\n\r\n"
    with running(tmp_path) as served:
        slow = [socket.create_connection(("127.0.0.1", served.port)) for _ in range(MOST_READ)]
        for one in slow:
            one.sendall(head + b"x")
        for one in slow:
            one.settimeout(20)
            assert one.recv(100).startswith(b"HTTP/1.1 408 ")
            one.close()
        assert served.ask("/v1/traces", otlp([span(1)]), PROTOBUF)[0] == 200


@pytest.mark.parametrize(
    "host", ["evil.example:99999", "evil.example:", "\xe9vil.example", "[", "evil.example/@localhost"]
)
def test_a_host_that_is_none_is_not_taken_for_this_machine(tmp_path: Path, host: str) -> None:
    with running(tmp_path) as served:
        assert served.ask("/api/store", headers={"host": host})[0] in {400, 401}


def test_somebody_elses_odd_cookie_does_no_harm(tmp_path: Path) -> None:
    elsewhere = {"host": "box.example"}
    with running(tmp_path, token="right") as served:
        assert served.ask("/api/store", headers={**elsewhere, "cookie": "a/b=1"})[0] == 401
        assert served.ask("/api/store", headers={**elsewhere, "cookie": "a/b=1; atoll-dashboard=right"})[0] == 200


def test_a_full_disk_is_said_now_and_then_not_for_every_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    store = Store(tmp_path / "telemetry.db")

    def full(_: Batch) -> None:
        raise sqlite3.OperationalError("database or disk is full")

    monkeypatch.setattr(store, "write", full)
    with caplog.at_level(logging.ERROR), taking(store) as intake:
        for _ in range(5):
            intake.offer(Batch(logs=(line(),)))
            intake.settle()
        assert intake.counts().failed == 5
    assert len(caplog.records) == 1


def test_requests_before_a_process_was_first_looked_at_count_if_it_began_in_that_time(tmp_path: Path) -> None:
    store, second = Store(tmp_path / "telemetry.db"), 10**9
    bucket = f"{rates.SERVED}_bucket"
    labels = '{"http_request_method":"GET","http_route":"/","le":"+Inf"}'
    for at, count in ((NOW, 30.0), (NOW + 5 * second, 33.0)):
        begun = Sample(at, "orders", "orders-1", rates.BEGUN, "{}", (NOW - 3 * second) / 1e9)
        store.write(Batch(samples=(begun, sample(bucket, count, labels=labels, at=at))))
    (young,) = rates.rates(store, NOW - 10 * second, NOW + 10 * second)
    assert young["count"] == 33.0
    (older,) = rates.rates(store, NOW - second, NOW + 10 * second)  # it began before; when those 30 came is not known
    assert older["count"] == 3.0


@pytest.mark.parametrize("deep", [10, 900, 985, 990, 5_000])
def test_a_line_that_is_nested_deep_can_be_read_back(tmp_path: Path, deep: int) -> None:
    store = Store(tmp_path / "telemetry.db")
    text = '{"message": "deep", "order": "7", "tree": ' + "[" * deep + "]" * deep + "}"
    store.write(Batch(logs=(record_of("orders", "orders-1", datetime.now(UTC), text), line())))
    assert len(find_logs(store, LogQuery())) == 2
    if deep <= 900:  # what is deeper may be a text without fields
        assert len(find_logs(store, LogQuery(attribute="order=7"))) == 1


def test_orders_are_taken_from_its_own_page_alone(tmp_path: Path) -> None:
    with running(tmp_path) as served:
        for origin in ("http://evil.example", "null", "http://127.0.0.1:1"):
            assert served.ask("/api/traces", b"{}", {"origin": origin, "atoll-dashboard": "1"})[0] == 403
        assert served.ask("/api/traces", b"{}", {})[0] == 403
