"""The shop under steady load for a long time: does anything grow that should not?

    python -m bench soak [--minutes 30] [--rate 50] [--every 5] [--json]

It begins with 10,000 orders as fast as they go, for what is kept of each connection, prepared statements say, grows until there
are as many as there may be. Then it samples each process (with its children): memory (PSS, without mapped files), open files,
sockets. The first fifth is left out. For the rest it says the slope with a 95 % interval, and "grows" where the interval is above
zero and the growth is more than 5 % an hour. Files and sockets of pools come and go by one and two, so they must also come to
more in the second half than they were at any time in the first.
Servers' caches grow with what they store until they are full, so PostgreSQL and NATS are told of, and not judged. In the end
every order must be confirmed and captured once. Exit status 1 if something grew, 2 if something was wrong.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec
import psutil

from bench.comparison.arguments import Parser, positive
from bench.comparison.atoll import shop, sign_in
from bench.comparison.candidate import Running
from bench.comparison.load import Plan, Report
from bench.comparison.measure import ORDER, Wrong, drive, wait_and_count
from bench.comparison.processes import family, own_memory
from bench.comparison.report import RESULTS, Machine, this_machine
from bench.comparison.slope import BLOCKS, Slope, slope

CONNECTIONS = 8
TURN = 240.0  # seconds of one load: a customer's token runs out after some minutes
WARM = 0.2  # share of the samples that is left out
TOLERATED = 0.05  # of what it was, an hour
FILL, FULL = 10_000, 64  # orders before the soak, and their connections
BURST_GONE = 30.0  # seconds until the connections of those orders are closed
STORES = ("postgres", "nats")  # their memory follows what they store
MEASURES = ("memory", "files", "sockets")


class Sample(msgspec.Struct, frozen=True):
    """Of one process with its children. at: seconds since the load began. memory: bytes."""

    at: float
    memory: float
    files: float
    sockets: float


class Soak(msgspec.Struct, frozen=True):
    machine: Machine
    minutes: float
    rate: float
    orders: int
    p50: float
    p99: float
    samples: dict[str, list[Sample]]


def main() -> int:
    """The exit status."""
    options = parsed()
    try:
        soak = carry_out(options.minutes * 60, options.rate, options.every)
    except Wrong as error:
        print(error, file=sys.stderr)
        return 2
    RESULTS.mkdir(parents=True, exist_ok=True)
    file = RESULTS / f"soak-{time.strftime('%Y%m%d-%H%M%S', time.gmtime())}.json"
    file.write_bytes(msgspec.json.encode(soak))
    verdicts = list(growth(soak))
    if options.json:
        print(json.dumps([{"process": name, "measure": measure, **vars(found), "grows": grows}
                          for name, measure, found, grows in verdicts]))  # fmt: skip
    else:
        print(page(soak, verdicts))
        print(f"kept in {file}")
    return int(any(grows for *_, grows in verdicts))


def parsed() -> argparse.Namespace:
    parser = Parser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--minutes", type=positive, default=30.0)
    parser.add_argument("--rate", type=positive, default=50.0, help="orders a second")
    parser.add_argument("--every", type=positive, default=5.0, help="seconds between two samples")
    parser.add_argument("--json", action="store_true")
    return parser.parse_args()


def carry_out(seconds: float, rate: float, every: float) -> Soak:
    """Wrong if an order was refused, lost or captured twice, or if there is too little to judge by."""
    if seconds / every * (1 - WARM) < BLOCKS:
        raise Wrong(f"{seconds / every:.0f} samples are too few; soak longer, or sample more often (--every)")
    with tempfile.TemporaryDirectory(prefix="atoll-soak-") as folder, shop(Path(folder), "--no-dashboard") as running:
        samples: dict[str, list[Sample]] = {name: [] for name in running.processes}
        reports = []
        before = min(FILL, round(rate * seconds))
        drive(running, "/orders", 201, before, FULL)
        began = time.monotonic()
        while (left := began + seconds - time.monotonic()) > 1:
            with loaded(signed_in(running), min(left, TURN), rate) as load:
                sampled(running, load, every, began, samples)
                reports.append(reported(load))
        orders = sum(report.statuses["201"] for report in reports)
        wait_and_count(running, before + orders)
    p50, p99 = statistics.median(one.p50 for one in reports), max(one.p99 for one in reports)
    return Soak(this_machine([]), seconds / 60, rate, orders, p50, p99, samples)


def signed_in(running: Running) -> Running:
    """With a token that has not run out."""
    return replace(running, token=sign_in(f"http://127.0.0.1:{running.port}"))


@contextmanager
def loaded(running: Running, seconds: float, rate: float) -> Iterator[subprocess.Popen[bytes]]:
    """Orders from a process of its own."""
    plan = Plan(running.port, "/orders", running.token, ORDER, 0, CONNECTIONS, seconds, rate=rate)
    argv = [sys.executable, "-m", "bench.comparison.load"]
    load = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        assert load.stdin is not None
        load.stdin.write(msgspec.json.encode(plan))
        load.stdin.close()
        yield load
    finally:
        load.kill()
        load.wait()


def sampled(
    running: Running, load: subprocess.Popen[bytes], every: float, began: float, found: dict[str, list[Sample]]
) -> None:
    """Until the load ends."""
    while load.poll() is None:
        for name, pid in running.processes.items():
            found[name].append(sample(time.monotonic() - began, family(pid)))
        with suppress(subprocess.TimeoutExpired):
            load.wait(every)


def sample(at: float, processes: Sequence[psutil.Process]) -> Sample:
    memory = sum(own_memory(process) for process in processes)
    files = sockets = 0
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            files += process.num_fds()
            sockets += sockets_of(process)
    return Sample(at, memory, files, sockets)


def sockets_of(process: psutil.Process) -> int:
    """From /proc where there is one: asking psutil for all connections takes long."""
    folder = Path(f"/proc/{process.pid}/fd")
    if not folder.exists():
        return len(process.net_connections("all"))
    count = 0
    for link in folder.iterdir():
        with suppress(OSError):
            count += str(link.readlink()).startswith("socket:")
    return count


def reported(load: subprocess.Popen[bytes]) -> Report:
    assert load.stdout is not None
    said = load.stdout.read()
    if load.wait() != 0:
        raise Wrong("the load ended early; it says why above")
    report = msgspec.json.decode(said, type=Report)
    if set(report.statuses) != {"201"}:
        raise Wrong(f"orders were answered {report.statuses}, the last one not so: {report.sample[:500]!r}")
    return report


def growth(soak: Soak) -> Iterator[tuple[str, str, Slope, bool]]:
    """(process, measure, its slope, whether it grows)."""
    for name, samples in soak.samples.items():
        late = samples[int(len(samples) * WARM) :]
        for measure in MEASURES:
            found = slope([one.at for one in late], [getattr(one, measure) for one in late])
            grows = found.grows(TOLERATED) and (measure == "memory" or higher_than_ever(samples, measure))
            yield name, measure, found, name not in STORES and grows


def higher_than_ever(samples: Sequence[Sample], measure: str) -> bool:
    """Whether the second half comes above all of the first, without the beginning's own connections."""
    middle = samples[-1].at / 2
    values: list[tuple[float, float]] = [(one.at, getattr(one, measure)) for one in samples]
    first = [value for at, value in values if min(BURST_GONE, middle / 2) <= at <= middle]
    return max(value for at, value in values if at > middle) > max(first)


def page(soak: Soak, verdicts: Sequence[tuple[str, str, Slope, bool]]) -> str:
    lines = [
        f"{soak.machine.date} UTC, {soak.machine.cores} x {soak.machine.cpu}, {soak.minutes:g} minutes, {soak.rate:g} orders/s:",
        f"{soak.orders:,} orders, all confirmed and captured once; 201: p50 {soak.p50:.1f} ms, p99 {soak.p99:.1f} ms",
        "",
        "| process | | at first | an hour, 95 % | |",
        "|---|---|---:|---:|---|",
    ]
    for name, measure, found, grows in verdicts:
        unit = 2**20 if measure == "memory" else 1
        first, hour, sure = (value / unit for value in (found.start, found.an_hour, found.sure))
        said = "grows" if grows else "stores" if name in STORES else ""
        title = "memory, MiB" if measure == "memory" else measure
        lines.append(f"| {name} | {title} | {first:,.1f} | {hour:+,.1f} ± {sure:,.1f} | {said} |")
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
