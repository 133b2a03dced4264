"""`python -m bench report FILE...`: puts kept results into the docs, as a table and a chart for each benchmark.

    python -m bench report [--folder docs] bench/results/checkout-*.json ...

Of several files of one benchmark all rounds count together; all must have asked for the same. The page says where: between
`<!-- bench NAME -->` and `<!-- /bench NAME -->`. The chart goes into a folder of the page's name beside it. Where all benchmarks
that have targets are given, what was reached is written between the marks of `targets`.
"""

from __future__ import annotations

import re
import statistics
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.comparison.arguments import Parser
from bench.comparison.benches import BENCHES
from bench.comparison.chart import bars
from bench.comparison.ground import ROOT
from bench.comparison.measure import Round, Wrong
from bench.comparison.report import Machine, Results, table
from bench.comparison.run import amount, how, times
from bench.comparison.targets import TARGETS, judged

DOCS = ROOT / "docs"
TARGETS_PAGE = "performance.md"


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = Parser(prog="python -m bench report", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--folder", type=Path, default=DOCS, help="of performance.md and scale.md")
    options = parser.parse_args(arguments)
    try:
        found = by_kind(options.files)
        for kind in found:
            must_have_marks(options.folder / BENCHES[kind].page, kind)
        needed = dict.fromkeys(target.kind for target in TARGETS)
        lacking = [kind for kind in needed if kind not in found]
        if not lacking:
            must_have_marks(options.folder / TARGETS_PAGE, "targets")
        for kind, results in found.items():
            page = options.folder / BENCHES[kind].page
            write(page, kind, results)
            ended = "" if all(result.complete for result in results) else ", which ended before its time,"
            print(f"{kind}: {times(most_rounds(results))}{ended} into {page}")
        if not lacking:
            page = options.folder / TARGETS_PAGE
            between(page, "targets", judged({kind: all_rounds(results) for kind, results in found.items()}))
            print(f"targets: into {page}")
        elif len(lacking) < len(needed):
            print(f"targets: left as they are, for no file is of {' and '.join(lacking)}")
    except Wrong as error:
        print(error, file=sys.stderr)
        return 1
    except OSError as error:
        hint = "" if options.folder == DOCS else "; the folder is to be a copy of docs"
        print(f"{error.filename}: {error.strerror}{hint}", file=sys.stderr)
        return 1
    return 0


def by_kind(files: Sequence[Path]) -> dict[str, list[Results]]:
    """Wrong if a file is none of ours, or differs in what it asked for from another of its kind."""
    found: dict[str, list[Results]] = {}
    first: dict[str, Path] = {}
    for file in files:
        results = read(file)
        same = found.setdefault(results.work.kind, [])
        other = first.setdefault(results.work.kind, file)
        if same and same[0].work != results.work:
            raise Wrong(
                f"{file} asked for {amount(results.work)}, {other} for {amount(same[0].work)}; give files that asked alike,"
                " and leave out what was only tried"
            )
        same.append(results)
    return found


def read(file: Path) -> Results:
    try:
        results = msgspec.json.decode(file.read_bytes(), type=Results)
    except msgspec.MsgspecError as error:
        raise Wrong(f"{file} is no result of python -m bench: {error}") from None
    if results.work.kind not in BENCHES or not results.rounds:
        raise Wrong(
            f"{file} is no result of python -m bench: of {results.work.kind!r}, with {len(results.rounds)} rounds"
        )
    bench = BENCHES[results.work.kind]
    known = {entrant.name for entrant in bench.entrants}
    for one in results.rounds:
        if one.candidate not in known or bench.chart not in one.figures:
            raise Wrong(f"{file} is no result of python -m bench: {one.candidate!r} is not measured by {bench.kind}")
    return results


def marks(kind: str) -> tuple[str, str]:
    return f"<!-- bench {kind} -->", f"<!-- /bench {kind} -->"


def must_have_marks(page: Path, kind: str) -> None:
    """Wrong if the page does not say where the table is to be."""
    text = page.read_text()
    begin, end = marks(kind)
    if text.count(begin) != 1 or text.count(end) != 1:
        raise Wrong(f"{page} has not one {begin} and one {end}; put them where the table is to be")


def write(page: Path, kind: str, results: Sequence[Results]) -> None:
    """Replaces what is between the marks, and the chart."""
    rounds = all_rounds(results)
    chart = page.with_suffix("") / f"{kind}.svg"
    chart.parent.mkdir(exist_ok=True)
    chart.write_text(drawn(kind, rounds))
    link = f"![{BENCHES[kind].title}]({chart.relative_to(page.parent)})"
    between(page, kind, described(results), table(rounds), link)


def between(page: Path, kind: str, *parts: str) -> None:
    """Replaces what is between the marks."""
    begin, end = marks(kind)
    body = "\n\n".join([begin, *parts, end])
    page.write_text(re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: body, page.read_text(), flags=re.DOTALL))


def all_rounds(results: Sequence[Results]) -> list[Round]:
    return [one for result in results for one in result.rounds]


def described(results: Sequence[Results]) -> str:
    """When, where, with what and how."""
    machine, work = results[0].machine, results[0].work
    ended = "" if all(result.complete for result in results) else "; it was ended before its time"
    return f"{where(machine)}\n\n{how(work, most_rounds(results))}{ended}."


def most_rounds(results: Sequence[Results]) -> int:
    """Of one candidate."""
    return max(Counter(one.candidate for one in all_rounds(results)).values())


def where(machine: Machine) -> str:
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    return f"{machine.date} UTC, {machine.cores} x {machine.cpu}, {machine.memory} GiB, {machine.system}.\n{versions}."


def drawn(kind: str, rounds: Sequence[Round]) -> str:
    bench = BENCHES[kind]
    names = dict.fromkeys(one.candidate for one in rounds)
    values = {name: [one.figures[bench.chart] for one in rounds if one.candidate == name] for name in names}
    return bars(f"{bench.title}: {bench.chart}", {
        name: (statistics.median(found), min(found), max(found)) for name, found in values.items()
    })  # fmt: skip
