"""Each defence of events, sagas and stored events, taken out of a copy of the source, turns the tests that watch it red.

The copy stands first on PYTHONPATH of a pytest of its own, so the tree that everybody uses is never touched. Two run at a time,
each with a PostgreSQL that is lent to one after the other: transactions that one leaves open hold back no other.
ATOLL_MUTATIONS=all runs the whole list; `-k NAME` runs one.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue

import pytest
from tests.lent import VARIABLE
from tests.mutations.index import README, page
from tests.mutations.mutant import Mutant
from tests.mutations.mutants import MUTANTS

from atoll.testing import PostgresServer

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "atoll"
WITHIN = 60  # seconds for one test; longer counts as a failure
ALL = os.environ.get("ATOLL_MUTATIONS", "") == "all"
CHOSEN = [mutant for mutant in MUTANTS if ALL or mutant.short]
AT_A_TIME = 2
PLUGINS = ("pytest_asyncio.plugin", "pytest_timeout")  # those that the tests use; the others take a second to load
FAILED = 1  # pytest's exit code when tests ran and some failed


@pytest.fixture(scope="session")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the source, with its compiled files."""
    copy = tmp_path_factory.mktemp("pristine") / "src"
    shutil.copytree(SOURCE, copy / "atoll")
    return copy


def environment(source: Path) -> dict[str, str]:
    path = os.pathsep.join([str(source), str(ROOT)])
    races = os.environ.get("ATOLL_RACES", "100")
    return {**os.environ, "PYTHONPATH": path, "ATOLL_RACES": races, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}


Done = subprocess.CompletedProcess[str]


class Runs:
    """Runs of pytest, some at a time."""

    def __init__(self, servers: list[PostgresServer]) -> None:
        self._free: SimpleQueue[PostgresServer] = SimpleQueue()
        for server in servers:
            self._free.put(server)
        self._pool = ThreadPoolExecutor(len(servers))

    def submit(self, source: Path, tests: tuple[str, ...], *options: str) -> Future[Done]:
        """Runs the tests against the source, as soon as a server is free."""
        plugins = [part for plugin in PLUGINS for part in ("-p", plugin)]
        argv = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *plugins]
        return self._pool.submit(self._run, [*argv, "--timeout", str(WITHIN), *options, *tests], environment(source))

    def close(self) -> None:
        """Waits for what runs; what has not begun never does."""
        self._pool.shutdown(cancel_futures=True)

    def _run(self, argv: list[str], env: dict[str, str]) -> Done:
        server = self._free.get()
        try:
            lent = {**env, VARIABLE: server.url("postgres")}
            return subprocess.run(argv, cwd=ROOT, env=lent, capture_output=True, text=True, check=False)
        finally:
            self._free.put(server)


@pytest.fixture(scope="session")
def runs() -> Iterator[Runs]:
    with ExitStack() as stack:
        runs = Runs([stack.enter_context(PostgresServer()) for _ in range(AT_A_TIME)])
        stack.callback(runs.close)
        yield runs


@pytest.fixture(scope="session")
def without(
    request: pytest.FixtureRequest, runs: Runs, pristine: Path, tmp_path_factory: pytest.TempPathFactory
) -> Mapping[str, Future[Done]]:
    """For each mutant that was selected, what the tests say without the defence."""
    selected = [item for item in request.session.items if isinstance(item, pytest.Function)]
    mutants = [item.callspec.params["mutant"] for item in selected if "without" in item.fixturenames]
    begun: dict[str, Future[Done]] = {}
    for mutant in mutants:
        assert isinstance(mutant, Mutant)
        source = take_out(mutant, pristine, tmp_path_factory.mktemp("mutant"))
        begun[mutant.name] = runs.submit(source, mutant.tests, "-x")
    return begun


def take_out(mutant: Mutant, pristine: Path, into: Path) -> Path:
    """A copy of the source without the defence."""
    copy = into / "src"
    shutil.copytree(pristine, copy)
    path = copy / "atoll" / mutant.path
    path.write_text(path.read_text().replace(mutant.text, mutant.instead))
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
def test_with_every_defence_in_place_the_tests_pass(pristine: Path, runs: Runs) -> None:
    tests = tuple(dict.fromkeys(test for mutant in CHOSEN for test in mutant.tests))
    halves = [runs.submit(pristine, tests[half::AT_A_TIME]) for half in range(AT_A_TIME)]
    for done in halves:
        assert done.result().returncode == 0, done.result().stdout[-4_000:]


@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_each_text_stands_once_in_the_source(mutant: Mutant) -> None:
    path = SOURCE / mutant.path
    assert (found := path.read_text().count(mutant.text)) == 1, (
        f"{found} times in {path}; bring tests/mutations up to date"
    )
    compile(path.read_text().replace(mutant.text, mutant.instead), str(path), "exec")


@pytest.mark.timeout(900)
@pytest.mark.parametrize("mutant", CHOSEN, ids=lambda mutant: mutant.name.replace(" ", "-"))
def test_without_the_defence_they_fail(mutant: Mutant, without: Mapping[str, Future[Done]]) -> None:
    done = without[mutant.name].result()
    assert done.returncode == FAILED, f"nothing noticed: {mutant.name}\n{done.stdout[-2_000:]}"
    assert " failed" in done.stdout.splitlines()[-1], done.stdout[-2_000:]
