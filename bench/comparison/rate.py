"""How many requests a second something takes: wrk (scripts/peers install wrk), or without it our own load, which is slower.

It says how busy the load itself was: near 100 % it was the load that was measured.
"""

from __future__ import annotations

import json
import os
import re
import resource
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec

from bench.comparison.load import Plan, Report
from bench.comparison.measure import Wrong
from bench.comparison.peers import libraries, missing_peer, peer_folder

MILLISECONDS = {"us": 0.001, "ms": 1.0, "s": 1000.0, "m": 60_000.0}


@dataclass(frozen=True)
class Target:
    """One request, the same again and again. body: "" for none."""

    port: int
    method: str
    path: str
    headers: Mapping[str, str]
    body: str = ""


@dataclass(frozen=True)
class Rate:
    """p50, p99: milliseconds. busy: share of one core that the load took, in percent."""

    requests: int
    seconds: float
    p50: float
    p99: float
    busy: float

    def figures(self) -> dict[str, float]:
        return {
            "requests/s": self.requests / self.seconds,
            "p50 ms": self.p50,
            "p99 ms": self.p99,
            "load busy %": self.busy,
        }


def rate(target: Target, connections: int, seconds: float) -> Rate:
    """Wrong, if anything but 2xx was answered."""
    return own(target, connections, seconds) if missing_peer("wrk") else wrk(target, connections, seconds)


def own(target: Target, connections: int, seconds: float) -> Rate:
    plan = Plan(target.port, target.path, "", target.body, 0, connections, seconds, target.method, dict(target.headers))
    argv = [sys.executable, "-m", "bench.comparison.load"]
    done = subprocess.run(argv, input=msgspec.json.encode(plan), capture_output=True, check=False)
    if done.returncode != 0:
        raise Wrong(f"the load ended early: {done.stderr.decode(errors='replace').strip()[-500:]}")
    report = msgspec.json.decode(done.stdout, type=Report)
    if set(report.statuses) != {"200"}:
        raise Wrong(f"requests were answered {report.statuses}, the last one not so: {report.sample[:500]!r}")
    requests = sum(report.statuses.values())
    return Rate(requests, report.seconds, report.p50, report.p99, report.cpu / report.seconds * 100)


def wrk(target: Target, connections: int, seconds: float) -> Rate:
    folder = peer_folder("wrk")
    whole = max(1, round(seconds))  # it takes whole seconds
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as place:
        script = Path(place) / "request.lua"
        script.write_text(lua(target))
        argv = [
            str(folder / "usr" / "bin" / "wrk"), "-t1", f"-c{connections}", f"-d{whole}s", "--latency", "-s", str(script),
            f"http://127.0.0.1:{target.port}{target.path}",
        ]  # fmt: skip
        before = spent()
        environment = {**os.environ, "LD_LIBRARY_PATH": libraries(folder)}
        done = subprocess.run(argv, capture_output=True, text=True, check=False, env=environment)
        busy = spent() - before
    return read(done.stdout + done.stderr, busy)


def read(said: str, cpu: float) -> Rate:
    """cpu: seconds that the load took."""
    total = re.search(r"(\d+) requests in ([\d.]+)(us|ms|s|m),", said)
    latency = {share: re.search(rf"^\s+{share}%\s+([\d.]+)(us|ms|s|m)", said, re.MULTILINE) for share in (50, 99)}
    if total is None or latency[50] is None or latency[99] is None or int(total[1]) == 0:
        raise Wrong(f"wrk said {said.strip()[-500:]!r}")
    if trouble := re.search(r"(Non-2xx.*|Socket errors.*)", said):
        raise Wrong(f"wrk said {trouble[0]!r}")
    seconds = float(total[2]) * MILLISECONDS[total[3]] / 1000
    p50, p99 = (float(one[1]) * MILLISECONDS[one[2]] for one in (latency[50], latency[99]))
    return Rate(int(total[1]), seconds, p50, p99, cpu / seconds * 100)


def spent() -> float:
    """CPU seconds of all child processes that have ended."""
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def lua(target: Target) -> str:
    """wrk's script; texts in JSON's form are Lua's too."""
    headers = [f"wrk.headers[{json.dumps(name)}] = {json.dumps(value)}" for name, value in target.headers.items()]
    body = [f"wrk.body = {json.dumps(target.body)}"] if target.body else []
    return "\n".join([f"wrk.method = {json.dumps(target.method)}", *headers, *body])
