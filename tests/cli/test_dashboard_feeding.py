"""Of several dashboards on one store one fetches, and the next one when that is gone."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atoll.cli.dashboard.turn import Turn
from atoll.cli.dashboard.verb import serve
from atoll.system.trouble import Trouble


def test_one_has_the_turn_until_it_gives_it_up(tmp_path: Path) -> None:
    one, other = Turn(tmp_path / "turn"), Turn(tmp_path / "turn")
    assert one.taken()
    assert one.taken()
    assert not other.taken()
    one.give_up()
    assert other.taken()
    assert not one.taken()
    other.give_up()


def test_a_process_that_ends_leaves_the_turn_to_the_next(tmp_path: Path) -> None:
    code = "import sys, pathlib; from atoll.cli.dashboard.turn import Turn; sys.exit(not Turn(pathlib.Path(sys.argv[1])).taken())"
    for _ in range(2):
        subprocess.run([sys.executable, "-c", code, str(tmp_path / "turn")], check=True)
    turn = Turn(tmp_path / "turn")
    assert turn.taken()
    assert subprocess.run([sys.executable, "-c", code, str(tmp_path / "turn")], check=False).returncode == 1
    turn.give_up()


def test_a_store_that_cannot_be_opened_is_one_line(tmp_path: Path) -> None:
    file = tmp_path / "system.py"
    (tmp_path / ".atoll" / "telemetry.db").mkdir(parents=True)
    with pytest.raises(Trouble, match=r"telemetry\.db cannot be opened: .*; remove it, or make room"):
        serve(file, "127.0.0.1", 0, 0, 2**23)
