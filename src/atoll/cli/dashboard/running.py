"""What runs, and what a person does to it: restart, scale, faults, and the layers in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import psutil
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.routing import Route

from atoll.cli.dashboard.reach import Reach, answering, body_of
from atoll.cli.describe import describe
from atoll.cli.figures import figures_of
from atoll.cli.stacks import read_stacks


class Instances(msgspec.Struct, forbid_unknown_fields=True):
    """How many there are to be."""

    instances: int


class Fault(msgspec.Struct, forbid_unknown_fields=True):
    """A fault between two parts: see `atoll fault add`. delay, seconds: seconds; share, error: shares from 0 to 1."""

    edge: str
    delay: float = 0.0
    error: float = 0.0
    status: int = 503
    seconds: float = 60.0
    share: float = 1.0


class Edge(msgspec.Struct, forbid_unknown_fields=True):
    """Whose fault is cleared; empty: all."""

    edge: str = ""


def routes(reach: Reach) -> list[Route]:
    """The paths."""

    async def system(_: Request) -> object:
        status = await reach.call("GET", "/v1/status")
        return {**status, "model": describe(reach.system), "usage": await run_in_threadpool(_usage, status)}

    async def figures(_: Request) -> object:
        return await figures_of(await reach.databases())

    async def restart(request: Request) -> object:
        return await reach.call("POST", "/v1/restart", {"service": request.path_params["service"]})

    async def scale(request: Request) -> object:
        wanted = await body_of(request, Instances)
        body = {"service": request.path_params["service"], "instances": wanted.instances}
        return await reach.call("POST", "/v1/scale", body)

    async def faults(_: Request) -> object:
        return await reach.call("GET", "/v1/faults")

    async def add_fault(request: Request) -> object:
        return await reach.call("POST", "/v1/faults", msgspec.to_builtins(await body_of(request, Fault)))

    async def clear_fault(request: Request) -> object:
        return await reach.call("POST", "/v1/faults/clear", msgspec.to_builtins(await body_of(request, Edge)))

    async def stacks(request: Request) -> object:
        return await run_in_threadpool(read_stacks, reach.system, reach.root, request.path_params["service"])

    return [
        Route("/api/system", answering(system)),
        Route("/api/figures", answering(figures)),
        Route("/api/services/{service}/restart", answering(restart), methods=["POST"]),
        Route("/api/services/{service}/scale", answering(scale), methods=["POST"]),
        Route("/api/services/{service}/stacks", answering(stacks)),
        Route("/api/faults", answering(faults)),
        Route("/api/faults", answering(add_fault), methods=["POST"]),
        Route("/api/faults/clear", answering(clear_fault), methods=["POST"]),
    ]


def _usage(status: dict[str, Any]) -> dict[str, dict[str, float]]:
    """pid -> {"memory" (bytes), "cpu" (seconds since its start), "since" (seconds since 1970)} of each process."""
    pids = [part["pid"] for part in status["parts"].values()]
    pids += [instance["pid"] for service in status["services"].values() for instance in service["instances"]]
    return {str(pid): found for pid in pids if pid is not None and (found := _of_process(pid))}


def _of_process(pid: int) -> dict[str, float]:
    try:
        process = psutil.Process(pid)
        with process.oneshot():
            family = [process, *process.children(recursive=True)]
            times = [one.cpu_times() for one in family]
            memory = sum(map(_memory, family)) if len(family) > 1 else process.memory_info().rss
            cpu = sum(one.user + one.system for one in times)
            return {"memory": memory, "cpu": cpu, "since": process.create_time()}
    except psutil.Error:
        return {}  # it ended meanwhile


def _memory(process: psutil.Process) -> int:
    """Bytes; of what a family shares each counts its part (PSS), or PostgreSQL would seem to hold its cache once a connection."""
    try:
        with Path(f"/proc/{process.pid}/smaps_rollup").open(encoding="ascii") as lines:
            return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    except (OSError, StopIteration):  # not Linux, or it ended meanwhile
        return int(process.memory_info().rss)
