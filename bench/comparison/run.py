"""`python -m bench NAME`: one benchmark, everything that it compares in turn, in one run. Without a name: all of them.

    python -m bench [NAME] [--against floor,fastapi,...|all] [--orders N] [--connections 64] [--seconds S] [--rounds R] [--json]

NAME: checkout, quote, gateway, service, messaging, layers, startup, telemetry. Every round starts a candidate anew, on empty
data, and warms it up; it counts only if its answers were right (checkout: each accepted order confirmed and captured exactly
once). It prints medians, with the least and the most in brackets, and keeps everything in bench/results; `python -m bench
report FILE...` writes that into the docs. scale: scale-instances, scale-services, scale-outbox and scale-rows (docs/scale.md).
dashboard, event_store, soak, telemetry_checkout compare nothing, and have a `--help` of their own.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

import msgspec

from bench.comparison.arguments import Parser, connections, count
from bench.comparison.benches import BENCHES, SCALE, STANDARD, Bench, Entrant
from bench.comparison.measure import Round, Work, Wrong
from bench.comparison.report import Results, keep, must_be_kept, number, table, this_machine
from bench.comparison.targets import judged

CONNECTIONS = 64
ENOUGH_ROUNDS = 3


def main(arguments: Sequence[str]) -> int:
    """The exit status: 1 if a candidate was wrong or cannot run here."""
    options = parsed(arguments)
    found: dict[str, list[Round]] = {}
    try:
        for kind, against in asked_for(options.kind, options.against):
            found[kind] = carry_out(BENCHES[kind], options, against)
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    if not options.json and (told := judged(found)):
        rounds = min(options.rounds or BENCHES[kind].rounds for kind in found)
        few = f" (of {times(rounds)} only; the machine's noise is larger than what they differ by)"
        print(f"\nTargets{few if rounds < ENOUGH_ROUNDS else ''}\n\n{told}")
    return 0


def asked_for(kind: str | None, against: str | None) -> list[tuple[str, str | None]]:
    """Benchmarks, each with what it compares. Of several, those that know a name compare it. Wrong if none knows it."""
    if kind != "scale":
        return [(one, against if kind else "all") for one in ((kind,) if kind else STANDARD)]
    if against is None or against == "all":
        return [(one, against) for one in SCALE]
    names = [name for name in against.split(",") if name]
    known = {one: [entrant.name for entrant in BENCHES[one].entrants] for one in SCALE}
    for name in names:
        if not any(name in found for found in known.values()):
            lists = "; ".join(f"of {one}: {', '.join(found)}" for one, found in known.items())
            raise Wrong(f"there is no size {name!r}; there are {lists}")
    asked = {one: [name for name in names if name in found] for one, found in known.items()}
    return [(one, ",".join(found)) for one, found in asked.items() if found]


def carry_out(bench: Bench, options: argparse.Namespace, against: str | None) -> list[Round]:
    """One benchmark, printed and kept: its rounds."""
    rounds = options.rounds or bench.rounds
    work = work_of(bench, options)
    chosen = able(bench) if against == "all" else named(bench, against)
    must_be_kept()
    results = Results(this_machine([one.name for one in chosen]), work, [])
    try:
        in_turn(chosen, work, rounds, results.rounds)
    except BaseException:
        if results.rounds:
            kept = keep(msgspec.structs.replace(results, complete=False))
            print(f"what was measured until then is kept in {kept}", file=sys.stderr)
        raise
    if options.json:
        print(msgspec.json.encode(results).decode())
        keep(results)
        return results.rounds
    machine = results.machine
    print(
        f"\n{bench.title}\n{machine.date} UTC, {machine.cores} x {machine.cpu}, {machine.memory} GiB, {machine.system}"
    )
    print(", ".join(f"{name} {version}" for name, version in machine.versions.items()))
    print(f"{how(work, rounds)}\n\n{table(results.rounds)}\n", flush=True)
    print(f"kept in {keep(results)}", flush=True)
    return results.rounds


def work_of(bench: Bench, options: argparse.Namespace) -> Work:
    """What is asked for, or what the benchmark does by itself."""
    seconds = options.seconds or bench.seconds
    return Work(bench.kind, options.orders or bench.requests, options.connections or CONNECTIONS, seconds)


def amount(work: Work) -> str:
    """How much was asked for."""
    requests = f"{work.requests:,} request{'' if work.requests == 1 else 's'}"
    return BENCHES[work.kind].asked.format(
        requests=requests, count=work.requests, seconds=work.seconds, connections=work.connections
    )


def times(rounds: int) -> str:
    return "1 round" if rounds == 1 else f"{rounds} rounds"


def how(work: Work, rounds: int) -> str:
    """What a table shows."""
    return f"{amount(work)}, {times(rounds)}{', medians (least-most)' if rounds > 1 else ''}"


def in_turn(entrants: Sequence[Entrant], work: Work, rounds: int, found: list[Round]) -> None:
    """A B C, B C A, ... into ``found``; progress on standard error."""
    for at in range(1, rounds + 1):
        first = (at - 1) % len(entrants)  # each goes first in turn: it finds the machine at rest
        for entrant in (*entrants[first:], *entrants[:first]):
            load = os.getloadavg()
            if sys.stderr.isatty():
                print(f"{entrant.name} {at}/{rounds} ...", end="\r", file=sys.stderr, flush=True)
            try:
                found.append(Round(entrant.name, *entrant.measure(work), load))
            except (Wrong, RuntimeError) as error:
                raise Wrong(f"{entrant.name}: {error}") from None
            figures = ", ".join(f"{name} {number(value)}" for name, value in found[-1].figures.items())
            print(f"{entrant.name} {at}/{rounds}: {figures}; load {load[0]:.1f}", file=sys.stderr, flush=True)


def able(bench: Bench) -> list[Entrant]:
    """All that can run here; the others are told of."""
    lacking = {entrant.name: entrant.missing() for entrant in bench.entrants}
    for name, why in lacking.items():
        if why:
            print(f"{bench.kind} goes without {name}: {why}", file=sys.stderr)
    return [entrant for entrant in bench.entrants if not lacking[entrant.name]]


def named(bench: Bench, against: str | None) -> list[Entrant]:
    """Atoll's own columns, and those asked for. Wrong if there is none of that name, or if it cannot run here."""
    names = bench.against if against is None else tuple(name for name in against.split(",") if name)
    return [found(bench, name) for name in dict.fromkeys([*bench.own, *names])]


def found(bench: Bench, name: str) -> Entrant:
    known = {entrant.name: entrant for entrant in bench.entrants}
    if name not in known:
        raise Wrong(f"there is no candidate {name!r}; there are: {', '.join(known)}")
    if missing := known[name].missing():
        raise Wrong(f"{name} cannot run here: {missing}")
    return known[name]


def parsed(arguments: Sequence[str]) -> argparse.Namespace:
    parser = Parser(
        prog="python -m bench",
        usage="python -m bench [NAME] [options], see --help",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("kind", nargs="?", choices=(*BENCHES, "scale"), metavar="NAME")
    parser.add_argument("--against", help="a list of columns (a wrong one shows all); all: what can run here")
    parser.add_argument("--orders", "--requests", type=count, help="of a round; default: 10,000 for most")
    parser.add_argument("--connections", type=connections, help=f"default: {CONNECTIONS}")
    parser.add_argument("--seconds", type=count, help="whole ones of a round, where the load lasts for a time")
    parser.add_argument("--rounds", type=count, help="default: 3")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    if options.kind in BENCHES and (unused := ignored(BENCHES[options.kind], options)):
        parser.error(f"{options.kind} takes no {unused}: it does {amount(work_of(BENCHES[options.kind], options))}")
    if options.against is not None and not options.kind:
        parser.error("--against is for one benchmark, python -m bench checkout --against floor, say; give its name")
    if options.against is not None and not options.against.strip(","):
        parser.error("--against needs the name of a column at least, or all")
    return options


def ignored(bench: Bench, options: argparse.Namespace) -> str:
    """The first option that was given and changes nothing in this benchmark."""
    given = {"--orders": options.orders, "--connections": options.connections, "--seconds": options.seconds}
    says = {"--orders": ("{requests", "{count"), "--connections": ("{connections",), "--seconds": ("{seconds",)}
    return next(
        (one for one, value in given.items() if value and not any(part in bench.asked for part in says[one])), ""
    )
