"""The public W3C trace-context harness (https://github.com/w3c/trace-context, folder test/) against a service, all strict cases.

It is in no package registry. Where a checkout of it is, ``W3C_TRACE_CONTEXT`` says; its facts stand one by one in `test_context`.

    git clone https://github.com/w3c/trace-context /somewhere
    W3C_TRACE_CONTEXT=/somewhere uv run --with aiohttp pytest tests/telemetry/test_w3c.py
"""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
HARNESS = os.environ.get("W3C_TRACE_CONTEXT", "")
pytestmark = pytest.mark.skipif(
    not HARNESS or find_spec("aiohttp") is None,
    reason="W3C_TRACE_CONTEXT names no checkout of github.com/w3c/trace-context, or aiohttp is not installed",
)


def test_the_public_harness_passes_at_its_strictest() -> None:
    service = subprocess.Popen(
        [sys.executable, "-m", "tests.telemetry.w3c_service"],
        cwd=REPOSITORY, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        assert service.stdout is not None
        endpoint = f"{service.stdout.readline().strip()}/test"
        variables = {**os.environ, "SERVICE_ENDPOINT": endpoint, "STRICT_LEVEL": "2", "SPEC_LEVEL": "2"}
        folder = Path(HARNESS) / "test"
        ran = subprocess.run(
            [sys.executable, "test.py"],
            cwd=folder,
            env=variables,
            capture_output=True,
            text=True,
            timeout=100,
            check=False,
        )
    finally:
        service.communicate("")
    assert ran.returncode == 0, ran.stderr
    assert "\nOK" in ran.stderr
