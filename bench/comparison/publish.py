"""`python -m bench report FILE...`: puts kept results into the docs, as a table and a chart for each benchmark.

    python -m bench report [--folder docs] bench/results/checkout-*.json ...

Of several files of one benchmark all rounds count together; all must have asked for the same. The page says where: between
`<!-- bench NAME -->` and `<!-- /bench NAME -->`. The chart goes into a folder of the page's name beside it.
"""

from __future__ import annotations

import argparse
import re
import statistics
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from bench.comparison.benches import BENCHES
from bench.comparison.chart import bars
from bench.comparison.ground import ROOT
from bench.comparison.measure import Round, Wrong
from bench.comparison.report import Machine, Results, table
from bench.comparison.run import amount

DOCS = ROOT / "docs"


def main(arguments: Sequence[str]) -> int:
    """The exit status."""
    parser = argparse.ArgumentParser(prog="python -m bench report", description=__doc__)
    parser.add_argument("files", nargs="+", type=Path)
    parser.add_argument("--folder", type=Path, default=DOCS, help="of performance.md and scale.md")
    options = parser.parse_args(arguments)
    try:
        for kind, results in by_kind(options.files).items():
            page = options.folder / BENCHES[kind].page
            write(page, kind, results)
            print(f"{kind}: {sum(len(one.rounds) for one in results)} rounds into {page}")
    except (Wrong, OSError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


def by_kind(files: Sequence[Path]) -> dict[str, list[Results]]:
    """Wrong if a file is none of ours, or differs in what it asked for from another of its kind."""
    found: dict[str, list[Results]] = {}
    for file in files:
        try:
            results = msgspec.json.decode(file.read_bytes(), type=Results)
        except msgspec.MsgspecError as error:
            raise Wrong(f"{file} is no result of python -m bench: {error}") from None
        same = found.setdefault(results.work.kind, [])
        if same and same[0].work != results.work:
            raise Wrong(
                f"{file} asked for {results.work}, another file for {same[0].work}; give files that asked alike"
            )
        same.append(results)
    return found


def write(page: Path, kind: str, results: Sequence[Results]) -> None:
    """Replaces what is between the marks, and the chart."""
    text = page.read_text()
    begin, end = f"<!-- bench {kind} -->", f"<!-- /bench {kind} -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise Wrong(f"{page} has not one {begin} and one {end}; put them where the table is to be")
    rounds = [one for result in results for one in result.rounds]
    chart = page.with_suffix("") / f"{kind}.svg"
    chart.parent.mkdir(exist_ok=True)
    chart.write_text(drawn(kind, rounds))
    link = f"![{BENCHES[kind].title}]({chart.relative_to(page.parent)})"
    body = "\n\n".join([begin, described(results), table(rounds), link, end])
    page.write_text(re.sub(f"{re.escape(begin)}.*{re.escape(end)}", lambda _: body, text, flags=re.DOTALL))


def described(results: Sequence[Results]) -> str:
    """When, where, with what and how."""
    machine, work = results[0].machine, results[0].work
    count = max(sum(one.candidate == first.candidate for result in results for one in result.rounds)
                for first in results[0].rounds)  # fmt: skip
    return f"{where(machine)}\n\n{amount(work)}, {count} rounds, medians (least-most)."


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
