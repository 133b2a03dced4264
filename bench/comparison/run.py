"""`python -m bench checkout` and `python -m bench quote`: Atoll beside its peers, in turn, in one run.

    python -m bench checkout|quote [--against floor,fastapi,...] [--orders N] [--connections 64] [--rounds R] [--json]

Every round starts a candidate on empty data, warms it up, and counts in its own databases that each accepted order was confirmed
and captured exactly once. It prints medians, with the least and the most in brackets, and keeps everything in bench/results.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

import msgspec

from bench.comparison.candidate import Candidate
from bench.comparison.candidates import CANDIDATES
from bench.comparison.measure import Round, Work, Wrong, measure
from bench.comparison.report import Results, keep, table, this_machine


def main(arguments: Sequence[str]) -> int:
    """The exit status: 1 if a candidate was wrong or cannot run here."""
    options = parsed(arguments)
    work = Work(options.kind, options.orders, options.connections)
    try:
        chosen = [found(name) for name in dict.fromkeys(["atoll", *options.against.split(",")]) if name]
        results = Results(this_machine(), work, in_turn(chosen, work, options.rounds))
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    file = keep(results)
    if options.json:
        print(msgspec.json.encode(results).decode())
        return 0
    machine = results.machine
    print(f"\n{machine.date} UTC, {machine.cores} x {machine.cpu}, {machine.memory} GiB, {machine.system}")
    print(", ".join(f"{name} {version}" for name, version in machine.versions.items()))
    print(f"{work.requests} requests, {work.connections} connections, {options.rounds} rounds\n")
    print(table(results.rounds))
    print(f"\nkept in {file}")
    return 0


def in_turn(candidates: Sequence[Candidate], work: Work, rounds: int) -> list[Round]:
    """A B C, A B C, ...; progress on standard error."""
    found = []
    for at in range(1, rounds + 1):
        for candidate in candidates:
            try:
                found.append(measure(candidate, work))
            except Wrong as error:
                raise Wrong(f"{candidate.name}: {error}") from None
            figures = ", ".join(f"{name} {value:.4g}" for name, value in found[-1].figures.items())
            print(
                f"{candidate.name} {at}/{rounds}: {figures}; load {found[-1].load[0]:.1f}", file=sys.stderr, flush=True
            )
    return found


def found(name: str) -> Candidate:
    """Wrong if there is none of that name, or if it cannot run here."""
    if name not in CANDIDATES:
        raise Wrong(f"there is no candidate {name!r}; there are: {', '.join(CANDIDATES)}")
    candidate = CANDIDATES[name]
    if missing := candidate.missing():
        raise Wrong(f"{name} cannot run here: {missing}")
    return candidate


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("kind", choices=("checkout", "quote"))
    parser.add_argument("--against", default="floor", help=f"a list of: {', '.join(CANDIDATES)}")
    parser.add_argument("--orders", type=int, default=10_000)
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    return parser.parse_args(arguments)
