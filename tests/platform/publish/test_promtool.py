"""Prometheus's own tool judges what is written: its form, and by promtool's unit tests what the rules do."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.brokers import SCRIPTS, install_or_skip
from tests.platform.publish.small import system

from atoll.platform.publish import expected_targets, prometheus_files

OF = 'system="small", service="catalog", atoll_operation="catalog.books"'
COUNT = "http_server_request_duration_seconds_count"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    install_or_skip("prometheus")
    for name, text in prometheus_files(system, expected_targets(system)).items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return tmp_path


def promtool(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    command = [str(SCRIPTS / "prometheus"), *arguments]
    return subprocess.run(command, cwd=folder, check=False, capture_output=True, text=True)


def test_promtool_finds_nothing_wrong(folder: Path) -> None:
    done = promtool(folder, "check", "config", "prometheus.yml")
    assert done.returncode == 0, done.stdout + done.stderr


def verdict(folder: Path, series: dict[str, str], at: str, alert: str, fires: bool, slo: str = "") -> None:
    """series: by name, in promtool's notation, a value a minute. fires: whether the alert (of the slo) does at that time."""
    which = f'alertname="{alert}", slo="{slo}", alertstate="firing"'
    case: dict[str, Any] = {
        "interval": "1m",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {
                "expr": f"count(ALERTS{{{which}}}) > bool 0 or vector(0)",
                "eval_time": at,
                "exp_samples": [{"labels": "{}", "value": int(fires)}],
            }
        ],
    }
    test = {"rule_files": ["rules/small.yml", "rules/small-slos.yml"], "evaluation_interval": "1m", "tests": [case]}
    (folder / "test.yml").write_text(yaml.safe_dump(test), "utf-8")
    done = promtool(folder, "test", "rules", "test.yml")
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("failing", "fires"),
    [
        ("0+1x120", False),  # 1 of 101 a minute fails: what is promised
        ("0+25x120", True),  # a fifth: twenty times as fast as it may
        ("_x120", False),  # nothing ever failed
    ],
)
def test_a_budget_that_burns_too_fast_pages(folder: Path, failing: str, fires: bool) -> None:
    series = {
        f'{COUNT}{{{OF}, http_response_status_code="200"}}': "0+100x120",
        f'{COUNT}{{{OF}, http_response_status_code="503"}}': failing,
    }
    verdict(folder, series, "110m", "SloBurnAvailability", fires, "catalog.books")


def test_slow_answers_burn_the_budget_of_latency(folder: Path) -> None:
    series = {
        f"{COUNT}{{{OF}}}": "0+100x120",
        f'http_server_request_duration_seconds_bucket{{{OF}, le="0.25"}}': "0+50x120",
    }
    verdict(folder, series, "110m", "SloBurnLatency", True, "catalog.books")


LABELS = 'system="small", service="catalog", instance="catalog-1"'


@pytest.mark.parametrize(
    ("alert", "name", "extra", "well", "wrong"),
    [
        ("InstanceDown", "up", "", "1x20", "0x20"),
        ("InstanceRestarting", "process_cpu_time_seconds", "", "0+1x20", "1 2 1 2 1 2 1 2 1 2 1 2"),
        ("OutboxLag", "atoll_outbox_lag_seconds", "", "1x20", "0+20x20"),
        ("DeadLetters", "atoll_messages_dead", "", "0x20", "0 0 1x20"),
        ("ParkedMessages", "atoll_messages_parked", "", "0 0 1 1 0x20", "1x20"),
        ("SagaStuck", "atoll_sagas", ', atoll_saga="returns", atoll_saga_status="parked"', "0x20", "0 1x20"),
        ("ProjectionLag", "atoll_projection_lag_seconds", ', atoll_projection="list"', "2x20", "0+60x20"),
        ("BreakerOpen", "atoll_breaker_open", ', server_address="http://a:1"', "0 1 0x20", "1x20"),
        ("EventLoopLag", "atoll_event_loop_lag_seconds_bucket", "", "", ""),
    ],
)
def test_an_alert_fires_on_what_is_wrong_alone(
    folder: Path, alert: str, name: str, extra: str, well: str, wrong: str
) -> None:
    if alert == "EventLoopLag":
        quick, slow = (f'{name}{{{LABELS}, le="{bound}"}}' for bound in ("0.1", "1.0"))
        rest = f'{name}{{{LABELS}, le="+Inf"}}'
        verdict(folder, {quick: "0+60x20", slow: "0+60x20", rest: "0+60x20"}, "12m", alert, False)
        verdict(folder, {quick: "0+1x20", slow: "0+60x20", rest: "0+60x20"}, "12m", alert, True)
        return
    series = f"{name}{{{LABELS}{extra}}}"
    verdict(folder, {series: well}, "17m" if alert == "ParkedMessages" else "11m", alert, False)
    verdict(folder, {series: wrong}, "17m" if alert == "ParkedMessages" else "11m", alert, True)
