"""mypy and pyright see requests and replies without generated code: what they infer, and what they refuse."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SAMPLES = sorted((Path(__file__).parent / "samples").glob("*.py"))
EXPECTED = re.compile(r"# (?:(?P<error>error)|type: (?P<type>.+))$")
QUALIFIER = re.compile(r"\b(?:[a-z_]\w*\.)+(?=\w)")

Seen = tuple[Mapping[int, str], set[int]]


def expected(sample: Path) -> Seen:
    """The types by line, and the lines with an error, that the sample's comments promise."""
    types: dict[int, str] = {}
    errors: set[int] = set()
    for number, line in enumerate(sample.read_text().splitlines(), 1):
        if (found := EXPECTED.search(line)) is None:
            continue
        if found["error"]:
            errors.add(number)
        else:
            types[number] = found["type"]
    return types, errors


def short(text: str) -> str:
    """``typing.Awaitable[sample.Charge]`` as ``Awaitable[Charge]``."""
    return QUALIFIER.sub("", text)


def run(*argv: str) -> str:
    return subprocess.run([sys.executable, "-m", *argv], cwd=ROOT, capture_output=True, text=True, check=False).stdout


def mypy(sample: Path) -> Seen:
    output = run("mypy", "--no-error-summary", "--show-error-codes", "--no-pretty", str(sample.relative_to(ROOT)))
    types: dict[int, str] = {}
    errors: set[int] = set()
    for path, number, kind, text in re.findall(r"^(.+?):(\d+): (error|note): (.*)$", output, re.MULTILINE):
        assert path.endswith(sample.name), output
        if (revealed := re.match(r'Revealed type is "(.*)"$', text)) is not None:
            types[int(number)] = short(revealed[1]).rstrip("?")
        elif kind == "error":
            errors.add(int(number))
    return types, errors


def pyright(sample: Path) -> Seen:
    report = json.loads(run("basedpyright", "--outputjson", str(sample)))
    types: dict[int, str] = {}
    errors: set[int] = set()
    for one in report["generalDiagnostics"]:
        number = one["range"]["start"]["line"] + 1
        if (revealed := re.match(r'Type of ".*" is "(.*)"$', one["message"], re.DOTALL)) is not None:
            types[number] = short(revealed[1])
        elif one["severity"] == "error":
            errors.add(number)
    return types, errors


@pytest.mark.parametrize("checker", [mypy, pyright], ids=lambda one: one.__name__)
@pytest.mark.parametrize("sample", SAMPLES, ids=lambda one: one.name)
def test_type_checkers_infer_and_refuse_what_the_sample_says(sample: Path, checker: object) -> None:
    assert callable(checker)
    types, errors = checker(sample)
    wanted_types, wanted_errors = expected(sample)
    assert types == wanted_types
    assert errors == wanted_errors
