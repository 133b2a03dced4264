"""`python -m bench [NAME] [options]`: a benchmark, or all of them; `report FILE...`: results into the docs."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from bench.comparison.benches import BENCHES
from bench.comparison.publish import main as publish
from bench.comparison.run import main as run

# Those that are no comparison have a file and a way of their own.
ALONE = sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py") if file.stem not in BENCHES)

name = sys.argv[1] if len(sys.argv) > 1 else ""
if name == "report":
    sys.exit(publish(sys.argv[2:]))
if name in BENCHES or name == "scale" or not name or name.startswith("-"):
    sys.exit(run(sys.argv[1:]))
if name not in ALONE:
    sys.exit(
        f"usage: python -m bench [NAME] [--help], with NAME one of: {', '.join((*BENCHES, 'scale', *ALONE, 'report'))}"
    )
sys.argv = [f"bench.{name}", *sys.argv[2:]]
runpy.run_module(f"bench.{name}", run_name="__main__")
