"""The rollout campaign: good and bad releases of the shop are rolled out while customers order; then everything must add up.

    python -m tests.rollouts.campaign --canaries 20 --blue-greens 20 --bad all --kills 20 --interleaved 10 --breaking

A second process orders all the time. A line for each rollout says how it ended, how many requests failed, and what the services'
own databases hold of the orders of that time. The seed decides when the supervisor is killed. `--keep FILE` keeps the JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tests.rollouts.ledger import count
from tests.rollouts.load import Answered
from tests.rollouts.variants import BAD, BREAKING, changed, checkout, next_release
from tests.system.local_system import REPOSITORY, LocalSystem
from tests.system.shopper import new_shopper
from tests.system.waiting import until

from atoll.cli.databases import running_database_urls

LIMIT = 180.0  # seconds for one deploy with its build
READY_WITHIN = 60.0  # seconds for a good release: the machine may be busy
KILL_WITHIN = 8.0  # seconds after a rollout has begun
STEPS = "25,50,100"
PATIENCE = 3  # intervals in which a bad release is to be found
ENDED = ("promoted", "rolled back", "refused")
CARRIES_AWAY = ("wrong-events",)  # orders that such a release takes are never paid


@dataclass(slots=True)
class Line:
    """One rollout. found_after: seconds from its first share (or its launch) to the decision. wrong: what must not have been."""

    kind: str
    ended: str = ""
    reason: str = ""
    seconds: float = 0.0
    found_after: float = 0.0
    share: int = 0
    requests: int = 0
    failed: int = 0
    lost: int = 0
    double: int = 0
    slowest: float = 0.0
    wrong: list[str] = field(default_factory=list)

    def __str__(self) -> str:
        figures = f"{self.requests:5} requests, {self.failed} failed, {self.lost} lost, {self.double} double"
        text = f"{self.kind:22} {self.ended:12} {self.seconds:5.1f} s  {figures}, paid within {self.slowest:.2f} s"
        return f"{text}  {'WRONG: ' + '; '.join(self.wrong) if self.wrong else 'ok'}  {self.reason}"


class Campaign:
    """The shop in a checkout of its own. rate: orders a second. interval: seconds of each step."""

    def __init__(self, folder: Path, seed: int, rate: float, interval: float, max_p99: float) -> None:
        self.root, self.system = folder, LocalSystem(checkout(folder))
        self.chance, self.rate, self.interval, self.max_p99 = random.Random(seed), rate, interval, max_p99
        self.lines: list[Line] = []
        self._number = 0
        self._usual = 0.0

    def start(self) -> None:
        """Up, with a customer, and some orders for comparison."""
        self.system.up()
        line = Line("without a rollout", "-")
        with self.orders(line):
            time.sleep(2 * self.interval)  # the load's duration, nothing is waited for
        self._usual = line.slowest
        self._keep(line, late=False)

    @contextmanager
    def orders(self, line: Line, patience: float = 45.0) -> Iterator[None]:
        """Customers while the block lasts; then the line holds what came of it."""
        token = new_shopper(self.system).token  # one lasts some minutes, and a campaign longer
        argv = [sys.executable, "-m", "tests.rollouts.load", self.system.gateway, token, str(self.rate)]
        load = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=REPOSITORY, text=True)
        try:
            yield
        finally:
            answers: list[Answered] = json.loads(load.communicate(timeout=60)[0])
        line.requests, line.failed = len(answers), sum(status != 201 for _, status, _ in answers)
        urls = running_database_urls(self.system.folder / "system.py")
        ledger = count(urls, [order for _, status, order in answers if status == 201], patience)
        line.lost, line.double, line.slowest = ledger.lost, ledger.double, ledger.slowest

    def good(self, service: str, strategy: str) -> None:
        """A release that is as good as the one before is promoted, and no request or order notices."""
        line = Line(f"{service} {strategy}")
        self._next(service)
        with self.orders(line):
            self._deploy(line, service, strategy)
        if line.ended != "promoted":
            line.wrong.append("not promoted")
        if line.failed:
            line.wrong.append("failed requests")
        self._keep(line)

    def bad(self, name: str) -> None:
        """A bad release is taken back in time, and harms no more than its share."""
        line = Line(f"bad: {name}")
        patience = 3.0 if name in CARRIES_AWAY else 45.0
        with changed(self.root, BAD[name]):
            self.system.must("build", "orders", limit=LIMIT)
            if name == "no-traffic":
                self._deploy(line, "orders", "canary", bad=True)
            else:
                with self.orders(line, patience):
                    self._deploy(line, "orders", "canary", bad=True)
        if line.ended != "rolled back":
            line.wrong.append("not rolled back")
        if line.found_after > PATIENCE * self.interval + 1.5:
            line.wrong.append(f"found after {line.found_after:.1f} s")
        if line.failed > line.requests * line.share / 100:
            line.wrong.append("more failed than its share")
        self._stable_serves(line)
        self._keep(line, lost=name not in CARRIES_AWAY)

    def kill(self) -> None:
        """The supervisor is killed at a random moment of a rollout; after a new start it ends at all of one release."""
        after = self.chance.uniform(0, KILL_WITHIN)
        line = Line(f"kill after {after:.2f} s")
        self._next("orders")
        self.system.must("build", "orders", limit=LIMIT)
        began = time.monotonic()
        with self.orders(line):
            self.system.must("deploy", "orders", "--detach", *self._options("canary"), limit=LIMIT)
            time.sleep(after)  # the moment is what the seed says
            os.kill(self.system.pid("supervisor"), signal.SIGKILL)
            self.system.up()
            last = until(lambda: self._ended("orders"), within=LIMIT, what="an end", pause=0.2)
        line.ended, line.reason, line.seconds = last["phase"], last["reason"], time.monotonic() - began
        self._stable_serves(line)
        self._keep(line, late=False)

    def breaking(self, name: str) -> None:
        """Refused, and nothing has begun."""
        line = Line(f"breaking: {name}")
        before = self._shares("orders")
        with changed(self.root, BREAKING[name]):
            done = self.system.atoll("deploy", "orders", limit=LIMIT)
        line.ended = "refused" if done.returncode == 2 else f"exit {done.returncode}"
        line.reason = " ".join(done.stderr.split())[:400]
        if done.returncode != 2 or (name == "event" and "payments" not in done.stderr):
            line.wrong.append("not refused with who breaks")
        if self._shares("orders") != before:
            line.wrong.append("the stable release was touched")
        self._keep(line)

    def _deploy(self, line: Line, service: str, strategy: str, *, bad: bool = False) -> None:
        began = time.monotonic()
        done = self.system.atoll("deploy", service, "--json", *self._options(strategy, bad=bad), limit=LIMIT)
        line.seconds = time.monotonic() - began
        if done.returncode == 2:
            line.ended, line.reason = "refused", done.stderr.strip()
            return
        last = until(lambda: self._ended(service), within=60, what="an end", pause=0.2)
        line.ended, line.reason = last["phase"], last["reason"]
        entries = last["entries"]
        if any(one["stable"] and one["stable"]["errors"] for one in entries):
            line.wrong.append("requests to the stable release failed")
        line.share = max(one["share"] for one in entries)
        first = next((one["at"] for one in entries if one["share"]), entries[0]["at"])
        line.found_after = next((one["at"] - first for one in entries if one["phase"] == "going back"), 0.0)

    def _options(self, strategy: str, *, bad: bool = False) -> Sequence[str]:
        common = (
            "--strategy",
            strategy,
            "--interval",
            f"{self.interval:g}s",
            "--samples",
            "10",
            "--max-p99",
            f"{self.max_p99:g}x",
        )
        ready = max(6.0, PATIENCE * self.interval) if bad else READY_WITHIN
        more = ("--steps", STEPS) if strategy == "canary" else ("--warm", "1s")
        return (*common, *more, "--ready-within", f"{ready:g}s")

    def _next(self, service: str) -> None:
        self._number += 1
        next_release(self.root, service, self._number)

    def _ended(self, service: str) -> Any:
        last = json.loads(self.system.must("rollouts", service, "--json"))["rollouts"][0]
        if last["phase"] not in ENDED:
            return None
        return json.loads(self.system.must("rollouts", service, str(last["number"]), "--json"))

    def _shares(self, service: str) -> dict[str, int]:
        found: dict[str, int] = self.system.look()["services"][service]["shares"]
        return found

    def _stable_serves(self, line: Line) -> None:
        shares = self._shares("orders")
        if list(shares.values()) != [100]:
            line.wrong.append(f"shares are {shares}")

    def _keep(self, line: Line, *, late: bool = True, lost: bool = True) -> None:
        if (line.lost and lost) or line.double:
            line.wrong.append("lost or double orders")
        if late and lost and line.slowest > self._usual + 1.0:
            line.wrong.append("orders were paid late")
        self.lines.append(line)
        print(line, flush=True)


def carry_out(wanted: argparse.Namespace, folder: Path) -> list[Line]:
    """All that is asked for; the shop is down afterwards."""
    campaign = Campaign(folder, wanted.seed, wanted.rate, wanted.interval, wanted.max_p99)
    try:
        campaign.start()
        for _ in range(wanted.canaries):
            campaign.good("orders", "canary")
        for _ in range(wanted.blue_greens):
            campaign.good("orders", "blue-green")
        for name in wanted.bad:
            campaign.bad(name)
        for name in BREAKING if wanted.breaking else ():
            campaign.breaking(name)
        for _ in range(wanted.interleaved):
            campaign.good("orders", "canary")
            campaign.good("payments", "canary")
        for _ in range(wanted.kills):
            campaign.kill()
    finally:
        campaign.system.atoll("down")
    return campaign.lines


def names(text: str) -> list[str]:
    """Of bad releases."""
    found = list(BAD) if text == "all" else [name for name in text.split(",") if name]
    if unknown := ", ".join(set(found) - set(BAD)):
        raise argparse.ArgumentTypeError(f"there is no {unknown}; there are all and {', '.join(BAD)}")
    return found


def parsed(argv: Sequence[str] | None = None) -> argparse.Namespace:
    """What is asked for."""
    parser = argparse.ArgumentParser(prog="python -m tests.rollouts.campaign", description=__doc__)
    for name in ("canaries", "blue-greens", "kills", "interleaved"):
        parser.add_argument(f"--{name}", type=int, default=0)
    parser.add_argument("--bad", type=names, default=[], help=f"all, or of {','.join(BAD)}")
    parser.add_argument("--breaking", action="store_true", help="a breaking event and a dropped column")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(1_000_000))
    parser.add_argument("--rate", type=float, default=25.0, help="orders a second")
    parser.add_argument("--interval", type=lambda text: float(text.removesuffix("s")), default=2.0)
    parser.add_argument("--max-p99", type=float, default=1.5, help="times the stable release's, as for a deploy")
    parser.add_argument("--keep", type=Path, help="a file for the JSON")
    return parser.parse_args(argv)


def main() -> int:
    """0 if nothing was wrong."""
    wanted = parsed()
    print(f"seed {wanted.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="atoll-rollouts-") as folder:
        lines = carry_out(wanted, Path(folder))
    if wanted.keep:
        found = {"seed": wanted.seed, "lines": [asdict(line) for line in lines]}
        wanted.keep.write_text(json.dumps(found, indent=1), "utf-8")
    wrong = sum(bool(line.wrong) for line in lines)
    print(f"{len(lines)} lines, {wrong} wrong")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
