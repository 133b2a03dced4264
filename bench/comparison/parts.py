"""The benchmarks of single parts, which have files of their own, one level up: each is run and its figures are read."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

from bench.comparison.measure import Found, Work, Wrong


def own_file(name: str, *options: str) -> Any:
    """What `python -m bench.NAME --json` says."""
    argv = [sys.executable, "-m", f"bench.{name}", "--json", *options]
    done = subprocess.run(argv, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Wrong(f"{' '.join(argv[1:])} failed: {done.stderr.strip()[-500:]}")
    return json.loads(done.stdout)


def messaging(work: Work) -> Found:
    """Events a second, with a durable PostgreSQL."""
    return own_file("messaging", "--durable", "--events", str(work.requests)), {}


def layers(work: Work) -> Found:
    """Microseconds over the bare handler."""
    return own_file("layers", "--calls", str(work.requests)), {}


def startup(_: Work) -> Found:
    """Seconds, and megabytes at rest."""
    return {name: float(value) for name, value in own_file("startup").items()}, {}


def ways(collector: str) -> dict[str, dict[str, str]]:
    """Ways to have telemetry: name -> environment variables."""
    sent = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector}
    few = {"OTEL_TRACES_SAMPLER": "parentbased_traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}
    return {
        "off": {"OTEL_SDK_DISABLED": "true"},
        "no collector": {},
        "everything sent": sent,
        "one in ten": {**sent, **few},
    }


def telemetry(way: str, work: Work) -> Found:
    """Requests a second and the service's CPU time a request."""
    from bench.telemetry import measure, started

    with started("collect", {}) as (port, _):
        rate, spent = measure(ways(f"http://127.0.0.1:{port}")[way], work.seconds, work.connections)
    return {"requests/s": rate, "CPU us/request": spent}, {}
