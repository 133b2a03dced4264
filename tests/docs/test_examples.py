"""Every ```python block of the documentation runs, top to bottom, a page at a time, and prints what the page says.

A ```text block right after one that prints holds its output. Blocks with words after ``python`` (a file's title) belong to
other tests.
"""

from __future__ import annotations

import ast
import asyncio
import contextlib
import inspect
import io
import re
import sys
import types
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from atoll.testing import Server

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(
    r"^```python\n(?P<code>.*?)^```\n(?:\s*^```text\n(?P<output>.*?)^```$)?", re.MULTILINE | re.DOTALL
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A block: its code, the output that the page shows, and the line where it stands."""

    code: str
    output: str | None
    line: int


def examples(page: Path) -> list[Example]:
    text = page.read_text()
    return [
        Example(found["code"], found["output"], text.count("\n", 0, found.start("code")))
        for found in BLOCK.finditer(text)
    ]


def named(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


@pytest.fixture
def module() -> Iterator[types.ModuleType]:
    """A module for a page's names, importable while the page runs: annotations are resolved through it."""
    made = types.ModuleType("documentation_example")
    sys.modules[made.__name__] = made
    yield made
    del sys.modules[made.__name__]
    for value in vars(made).values():
        if isinstance(value, Server):  # a page that fails half-way leaves nothing running
            value.remove()


async def run(example: Example, page: Path, module: types.ModuleType) -> str:
    """What the block prints. It may await at its top level."""
    source = "\n" * example.line + example.code  # so that a traceback names the page's own line
    code = compile(source, str(page), "exec", flags=ast.PyCF_ALLOW_TOP_LEVEL_AWAIT)
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        result = eval(code, module.__dict__)
        if inspect.isawaitable(result):
            await result
    return printed.getvalue()


@pytest.mark.parametrize("page", [page for page in PAGES if examples(page)], ids=named)
async def test_the_examples_of_a_page_run(page: Path, module: types.ModuleType) -> None:
    async with asyncio.timeout(60):
        for example in examples(page):
            printed = await run(example, page, module)
            if printed or example.output is not None:
                assert printed == example.output, f"{named(page)}:{example.line}"


def test_every_link_to_a_file_leads_to_one() -> None:
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{named(page)} links to {target}, which is not there"


def test_every_page_is_reached_from_the_index() -> None:
    index = (ROOT / "docs" / "index.md").read_text()
    for page in (ROOT / "docs").glob("*.md"):
        assert page.name == "index.md" or f"({page.name})" in index, f"docs/index.md does not link to {page.name}"
