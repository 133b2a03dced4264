"""What the publishers write, compared with files that people have read. `ATOLL_GOLDEN=write pytest ...` writes them anew."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from tests.platform.publish.small import system

from atoll.platform.publish import Target, expected_targets, prometheus_files
from atoll.platform.publish.grafana import grafana_files

GOLDEN = Path(__file__).parent / "golden"
RUNNING = (Target("catalog", "catalog-1", "127.0.0.1:4001"), Target("catalog", "catalog-2", "127.0.0.1:4002"))
FILES = {
    **{f"prometheus/{name}": text for name, text in prometheus_files(system, RUNNING).items()},
    **{f"grafana/{name}": text for name, text in grafana_files(system).items()},
}


@pytest.mark.parametrize("name", FILES)
def test_it_writes_what_was_read_before(name: str) -> None:
    golden = GOLDEN / name
    if os.environ.get("ATOLL_GOLDEN") == "write":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(FILES[name], "utf-8")
    assert FILES[name] == golden.read_text("utf-8")


@pytest.mark.parametrize("name", [name for name in FILES if name.endswith(".json") and "/dashboards/" in name])
def test_a_dashboard_is_what_grafanas_own_schema_reads(name: str) -> None:
    written = json.loads(FILES[name])
    read = Dashboard.from_json(written)
    assert json.loads(json.dumps(read, cls=JSONEncoder)) == written
    assert all(panel["targets"] for panel in written["panels"] if panel["type"] != "row")


def test_there_is_no_golden_file_of_what_is_no_longer_written() -> None:
    assert {path.relative_to(GOLDEN).as_posix() for path in GOLDEN.rglob("*") if path.is_file()} == set(FILES)


def test_only_services_that_have_metrics_are_expected() -> None:
    assert expected_targets(system) == (Target("catalog", "catalog", "catalog:8000"),)
