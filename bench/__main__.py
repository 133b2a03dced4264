"""`python -m bench NAME [options]`: one benchmark. checkout and quote compare whole systems; the others measure one part each."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path

from bench.comparison.run import main

COMPARISONS = ("checkout", "quote")
PARTS = sorted(file.stem for file in Path(__file__).parent.glob("[!_]*.py"))

name = sys.argv[1] if len(sys.argv) > 1 else ""
if name in COMPARISONS:
    sys.exit(main(sys.argv[1:]))
if name not in PARTS:
    sys.exit(f"usage: python -m bench NAME [--help], with NAME one of: {', '.join((*COMPARISONS, *PARTS))}")
sys.argv = [f"bench.{name}", *sys.argv[2:]]
runpy.run_module(f"bench.{name}", run_name="__main__")
