"""Each defence of events, sagas and stored events, taken out of a copy of the source, turns the tests that watch it red.

The copy stands first on PYTHONPATH of a pytest of its own, so the tree that everybody uses is never touched.
ATOLL_MUTATIONS=all runs the whole list; `-k NAME` runs one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from tests.mutations.index import README, page
from tests.mutations.mutants import MUTANTS, Mutant

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "atoll"
WITHIN = 60  # seconds for one test; longer counts as a failure
ALL = os.environ.get("ATOLL_MUTATIONS", "") == "all"
CHOSEN = [mutant for mutant in MUTANTS if ALL or mutant.short]
FAILED = 1  # pytest's exit code when tests ran and some failed


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, with its compiled files."""
    copy = tmp_path_factory.mktemp("pristine") / "src"
    shutil.copytree(SOURCE, copy / "atoll")
    return copy


def environment(source: Path) -> dict[str, str]:
    path = os.pathsep.join([str(source), str(ROOT)])
    return {**os.environ, "PYTHONPATH": path, "ATOLL_RACES": os.environ.get("ATOLL_RACES", "100")}


def run_tests(source: Path, tests: tuple[str, ...], *options: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout", str(WITHIN), *options, *tests]
    return subprocess.run(argv, cwd=ROOT, env=environment(source), capture_output=True, text=True, check=False)


def take_out(mutant: Mutant, pristine: Path, into: Path) -> Path:
    """A copy of the source without the defence."""
    copy = into / "src"
    shutil.copytree(pristine, copy)
    path = copy / "atoll" / mutant.path
    text = path.read_text()
    found = text.count(mutant.text)
    assert found == 1, (
        f"{mutant.name!r}: its text stands {found} times in {mutant.path}; bring tests/mutations/mutants.py up to date"
    )
    path.write_text(text.replace(mutant.text, mutant.instead))
    return copy


def test_each_mutant_has_a_name_of_its_own() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)


def test_the_page_of_promises_is_up_to_date() -> None:
    assert README.read_text() == page(), "run python -m tests.mutations.index"


def test_the_copy_is_what_runs(pristine: Path) -> None:
    argv = [sys.executable, "-c", "import atoll; print(atoll.__file__)"]
    printed = subprocess.run(
        argv, cwd=ROOT, env=environment(pristine), capture_output=True, text=True, check=True
    ).stdout
    assert Path(printed.strip()).is_relative_to(pristine)


@pytest.mark.timeout(900)
def test_with_every_defence_in_place_the_tests_pass(pristine: Path) -> None:
    tests = tuple(dict.fromkeys(test for mutant in CHOSEN for test in mutant.tests))
    done = run_tests(pristine, tests)
    assert done.returncode == 0, done.stdout[-4_000:]


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_without_the_defence_they_fail(mutant: Mutant, pristine: Path, tmp_path: Path) -> None:
    source = take_out(mutant, pristine, tmp_path)
    compiled = subprocess.run([sys.executable, "-m", "py_compile", str(source / "atoll" / mutant.path)], check=False)
    assert compiled.returncode == 0, f"{mutant.name!r} is no Python"
    done = run_tests(source, mutant.tests, "-x")
    shutil.rmtree(source)
    assert done.returncode == FAILED, f"nothing noticed: {mutant.name}\n{done.stdout[-2_000:]}"
    assert " failed" in done.stdout.splitlines()[-1], done.stdout[-2_000:]
