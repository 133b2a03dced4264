"""What the tests measure is kept apart: `python -m bench report bench/results/*.json` is for what people measured."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def results_apart(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ATOLL_BENCH_RESULTS", str(tmp_path_factory.getbasetemp() / "bench-results"))
