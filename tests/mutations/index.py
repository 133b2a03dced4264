"""Writes README.md: each promise, its defence, and the test that sees it taken out. `python -m tests.mutations.index`."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from tests.mutations.mutant import Mutant
from tests.mutations.mutants import ROOMS

README = Path(__file__).with_name("README.md")
_HEAD = """# Promises and the tests that hold them

Each line is a defence that `test_mutations.py` takes out of a copy of the source; the tests named must fail then, and pass
otherwise. This page is made by `python -m tests.mutations.index`.
"""


def page() -> str:
    """The page as it should be."""
    return "\n".join([_HEAD, *(_table(name, mutants) for name, mutants in ROOMS.items())])


def _table(name: str, mutants: Iterable[Mutant]) -> str:
    rows = [f"| {one.promise} | {one.name} | {', '.join(map(_test, one.tests))} |" for one in mutants]
    return "\n".join([f"## {name}", "", "| promise | taken out | tests |", "| --- | --- | --- |", *rows, ""])


def _test(test: str) -> str:
    path, _, name = test.partition("::")
    return f"`{path.removeprefix('tests/')}` {name.removeprefix('test_').partition('[')[0].replace('_', ' ')}".strip()


if __name__ == "__main__":
    README.write_text(page())
