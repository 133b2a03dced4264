"""What was measured is read, judged and written rightly."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import msgspec
import pytest
from bench.comparison.chart import bars
from bench.comparison.measure import Round, Work, Wrong
from bench.comparison.publish import main as publish
from bench.comparison.rate import Target, lua, read
from bench.comparison.report import Machine, Results
from bench.comparison.slope import slope
from bench.comparison.targets import TARGETS, judged
from bench.soak import Sample, Soak, growth

SAID = """
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.20ms    0.50ms   9.00ms   90.00%
  Latency Distribution
     50%    1.05ms
     75%    1.50ms
     90%    2.00ms
     99%  900.00us
  30000 requests in 2.00s, 4.00MB read
"""
MACHINE = Machine("2026-01-01 12:00", "cpu", 2, 4.0, "Linux", {"python": "3.11"})


def test_what_wrk_says_is_read() -> None:
    found = read(SAID, cpu=1.0)
    assert (found.requests, found.p50, found.p99, found.busy) == (30000, 1.05, 0.9, 50.0)


@pytest.mark.parametrize(
    "trouble", ["Non-2xx or 3xx responses: 5", "Socket errors: connect 0, read 3, write 0, timeout 0"]
)
def test_refused_requests_count_for_nothing(trouble: str) -> None:
    with pytest.raises(Wrong, match=trouble[:12]):
        read(f"{SAID}  {trouble}\n", cpu=1.0)


def test_the_script_for_wrk_holds_the_request() -> None:
    target = Target(1, "POST", "/", {"a": "b"}, '{"c":"d"}')
    expected = 'wrk.method = "POST"\nwrk.headers["a"] = "b"\nwrk.body = "{\\"c\\":\\"d\\"}"'
    assert lua(target) == expected


def test_growth_is_told_from_noise() -> None:
    noise = random.Random(1)
    seconds = [float(at) for at in range(0, 1800, 5)]
    still = [100 + noise.gauss(0, 3) for _ in seconds]
    growing = [value + at / 3600 * 20 for value, at in zip(still, seconds, strict=True)]
    assert not slope(seconds, still).grows(0.05)
    assert slope(seconds, growing).grows(0.05)
    assert slope(seconds, growing).an_hour == pytest.approx(20, abs=slope(seconds, growing).sure + 1)


@pytest.mark.parametrize(("leak", "grows"), [(0.0, False), (0.1, True)])
def test_a_pool_that_fills_again_is_no_leak(leak: float, grows: bool) -> None:
    """A burst, its connections closed at once; those of a pool go after five minutes and come again one by one."""
    samples = []
    for at in range(0, 1800, 10):
        pool = 10 if at <= 300 else 4 + 6 * (at - 300) / 1500
        sockets = float(round((80 if at < 20 else 15) + pool + leak * at / 60))
        samples.append(Sample(float(at), 40e6, sockets + 10, sockets))
    soak = Soak(MACHINE, 30.0, 50.0, 90_000, 5.0, 50.0, {"orders-1": samples})
    found = {measure: verdict for _, measure, _, verdict in growth(soak)}
    assert found == {"memory": False, "files": grows, "sockets": grows}


def test_a_soak_of_seconds_is_judged_as_well() -> None:
    samples = [Sample(at * 0.5, 40e6, 20.0, float(10 + at)) for at in range(24)]
    found = {
        measure: verdict for _, measure, _, verdict in growth(Soak(MACHINE, 0.2, 9.0, 9, 5.0, 50.0, {"a": samples}))
    }
    assert found == {"memory": False, "files": False, "sockets": True}


def test_too_few_samples_have_no_slope() -> None:
    with pytest.raises(ValueError, match="a slope needs 12 samples"):
        slope([1.0, 2.0], [1.0, 2.0])


def kept(folder: Path, name: str, work: Work, rates: tuple[float, ...]) -> str:
    rounds = [Round("atoll", {"requests/s": rate}, {}, (0.1, 0.1, 0.1)) for rate in rates]
    file = folder / name
    file.write_bytes(msgspec.json.encode(Results(MACHINE, work, rounds)))
    return str(file)


def test_results_are_written_between_the_marks(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text("before\n<!-- bench service -->\nold\n<!-- /bench service -->\nafter\n")
    work = Work("service", 0, 64, 5.0)
    files = [kept(tmp_path, "a.json", work, (100.0, 200.0)), kept(tmp_path, "b.json", work, (300.0,))]
    assert publish(["--folder", str(tmp_path), *files]) == 0
    text = page.read_text()
    assert "| requests/s | 200 (100-300) |" in text
    assert "old" not in text
    assert text.startswith("before\n<!-- bench service -->")
    assert text.endswith("<!-- /bench service -->\nafter\n")
    ET.fromstring((tmp_path / "performance" / "service.svg").read_text())


def test_results_that_asked_for_something_else_are_not_mixed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "performance.md").write_text("<!-- bench service --><!-- /bench service -->")
    files = [kept(tmp_path, f"{seconds}.json", Work("service", 0, 64, seconds), (1.0,)) for seconds in (1.0, 5.0)]
    assert publish(["--folder", str(tmp_path), *files]) == 1
    assert "give files that asked alike" in capsys.readouterr().err


def test_a_chart_has_a_bar_for_each() -> None:
    drawing = ET.fromstring(bars("a & b", {"atoll": (2.0, 1.0, 3.0), "other": (1.0, 1.0, 1.0)}))
    assert len([one for one in drawing if one.tag.endswith("rect")]) == 2


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"work": Work("nonsense", 1, 1)}, "of 'nonsense', with 1 rounds"),
        ({"work": Work("soak", 1, 1)}, "of 'soak', with 1 rounds"),
        ({"rounds": []}, "of 'checkout', with 0 rounds"),
        (
            {"rounds": [Round("zzz | <b>", {"confirmed/s": 1.0}, {}, (0.0, 0.0, 0.0))]},
            "'zzz | <b>' is not measured by checkout",
        ),
        ({"rounds": [Round("atoll", {"calls/s": 1.0}, {}, (0.0, 0.0, 0.0))]}, "'atoll' is not measured by checkout"),
    ],
)
def test_what_no_benchmark_measures_is_not_written(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], change: dict[str, Any], told: str
) -> None:
    good = Results(MACHINE, Work("checkout", 1, 1), [Round("atoll", {"confirmed/s": 1.0}, {}, (0.0, 0.0, 0.0))])
    file, page = tmp_path / "one.json", tmp_path / "performance.md"
    page.write_text("<!-- bench checkout --><!-- /bench checkout -->")
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(good, **change)))
    assert publish(["--folder", str(tmp_path), str(file)]) == 1
    assert told in capsys.readouterr().err
    file.write_bytes(msgspec.json.encode(good))
    assert publish(["--folder", str(tmp_path), str(file)]) == 0
    assert "1 request, 1 connections, 1 round.\n" in page.read_text()
    file.write_bytes(msgspec.json.encode(msgspec.structs.replace(good, complete=False)))
    assert publish(["--folder", str(tmp_path), str(file)]) == 0
    assert "1 round; it was ended before its time." in page.read_text()


def checkouts(*found: tuple[str, float]) -> list[Round]:
    return [Round(name, {"confirmed/s": value}, {}, (0.0, 0.0, 0.0)) for name, value in found]


def test_targets_are_judged_turn_by_turn() -> None:
    """The machine was half as fast in the second turn, and the third was not finished."""
    found = judged(
        {"checkout": checkouts(("atoll", 1200), ("moleculer", 1000), ("atoll", 660), ("moleculer", 500), ("atoll", 9))}
    )
    assert found.splitlines()[2:] == [
        "| checkout: confirmed/s | moleculer | at least 1.1 | 1.26 (1.20-1.32) | reached |"
    ]


def test_what_was_not_measured_is_not_judged() -> None:
    assert judged({"checkout": checkouts(("atoll", 1200)), "layers": []}) == ""
    assert judged({"checkout": checkouts(("atoll", 1200), ("floor", 0))}) == ""


@pytest.mark.parametrize("target", TARGETS, ids=lambda one: f"{one.kind}-{one.figure}-{one.beside}")
def test_a_target_is_reached_on_its_own_side_of_the_bound(target: Any) -> None:
    better, worse = (1.01, 0.99) if target.more else (0.99, 1.01)
    assert target.reached(target.bound)
    assert target.reached(target.bound * better)
    assert not target.reached(target.bound * worse)


def test_targets_are_written_where_all_that_have_some_are_given(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    kinds = {"checkout": "confirmed/s", "quote": "calls/s", "service": "requests/s", "gateway": "requests/s"}
    page.write_text("\n".join(f"<!-- bench {kind} --><!-- /bench {kind} -->" for kind in (*kinds, "targets")))
    files = []
    for kind, figure in kinds.items():
        names = ("atoll", {"service": "bare", "gateway": "envoy"}.get(kind, "floor"))
        rounds = [Round(name, {figure: 100.0}, {}, (0.0, 0.0, 0.0)) for name in names]
        files.append(tmp_path / f"{kind}.json")
        files[-1].write_bytes(msgspec.json.encode(Results(MACHINE, Work(kind, 1, 1), rounds)))
    assert publish(["--folder", str(tmp_path), *map(str, files[:-1])]) == 0
    assert "reached" not in page.read_text()
    assert publish(["--folder", str(tmp_path), *map(str, files)]) == 0
    assert page.read_text().count("| 1.00 | reached |") == 3
