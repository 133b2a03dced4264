"""`python -m bench [NAME] [options]`: a benchmark, or all of them; `report FILE...`: results into the docs."""

from __future__ import annotations

import runpy
import sys
from collections.abc import Callable
from pathlib import Path

try:
    from bench.comparison.arguments import end_in_order
    from bench.comparison.benches import BENCHES, STANDARD
    from bench.comparison.publish import main as publish
    from bench.comparison.run import main as run
except ModuleNotFoundError as error:
    sys.exit(f"there is no {error.name} here; run make setup once, and then .venv/bin/python -m bench")

# Those that are no comparison have a file and a way of their own.
ALONE = sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py") if file.stem not in BENCHES)


def chosen(name: str) -> Callable[[], int | None]:
    """What the first word asks for."""
    if name == "report":
        return lambda: publish(sys.argv[2:])
    if name in BENCHES or name == "scale" or not name or name.startswith("-"):
        return lambda: run(sys.argv[1:])
    if name not in ALONE:
        known = ", ".join((*BENCHES, "scale", *ALONE, "report"))
        sys.exit(f"there is no benchmark {name!r}; there are: {known}; the first {len(STANDARD)} without a name")
    return alone


def alone() -> None:
    name = sys.argv[1]
    sys.argv = [f"python -m bench {name}", *sys.argv[2:]]
    runpy.run_module(f"bench.{name}", run_name="__main__")


asked_for = chosen(sys.argv[1] if len(sys.argv) > 1 else "")
end_in_order()
try:
    sys.exit(asked_for())
except KeyboardInterrupt:
    print("stopped", file=sys.stderr)
    sys.exit(130)
