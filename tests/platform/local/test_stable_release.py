"""The stable release outlives what may happen to state.json: a full disk, a power cut, a damage, a loss."""

from __future__ import annotations

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from atoll.platform.local.folder import Folder, State
from atoll.platform.local.ledger import Ledger, open_ledger
from atoll.platform.rollout import FolderJournal, Plan, Rollout
from atoll.platform.rollout.records import Phase
from atoll.system import Trouble

NEW, OLD = "19abcdef0123", "0123456789ab"
WRITE = os.write


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    folder = Folder(tmp_path / ".atoll")
    folder.create()
    return folder


def rolled_out(folder: Folder, service: str, number: int, phase: Phase, release: str = NEW, stable: str = OLD) -> None:
    FolderJournal(folder.rollouts).save(Rollout(number, service, release, stable, Plan("canary"), 1.0, phase))


def disk(space: int) -> Callable[[int, bytes], int]:
    """Takes seven bytes at a time, until the space is used up."""
    left = space

    def write(handle: int, content: bytes) -> int:
        nonlocal left
        if not left:
            raise OSError(errno.ENOSPC, "No space left on device")
        taken = WRITE(handle, bytes(content[: min(7, left)]))
        left -= taken
        return taken

    return write


def test_what_the_disk_takes_in_parts_is_written_whole(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "write", disk(10_000))
    folder.write_state(State(stable={"orders": NEW}))
    assert folder.read_state().stable == {"orders": NEW}


def test_a_disk_that_gets_full_keeps_the_old_file_and_is_one_line(
    folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write_state(State(stable={"orders": OLD}))
    ledger = Ledger(folder, folder.read_state())
    monkeypatch.setattr(os, "write", disk(20))
    with pytest.raises(Trouble, match=r"^[^\n]*no space left on the disk; free some[^\n]*$"):
        ledger.settle("orders", NEW)
    assert ledger.state.stable == folder.read_state().stable == {"orders": OLD}
    assert not (folder.path / "state.json.new").exists()


def test_a_stable_release_is_on_the_disk_when_it_is_settled(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    synced: list[int] = []
    monkeypatch.setattr(os, "fsync", synced.append)
    ledger = Ledger(folder, State())
    ledger.save()
    assert synced == []  # what runs means nothing after a power cut
    ledger.settle("orders", NEW)
    assert len(synced) == 2  # the file, and its name
    assert ledger.forget_stable("orders") == NEW
    assert len(synced) == 4
    assert folder.read_state().stable == {}


@pytest.mark.parametrize(
    ("phase", "stable"),
    [("promoted", NEW), ("warm", NEW), ("retiring", NEW), ("rolled back", OLD), ("stepping", OLD), ("going back", OLD)],
)
def test_a_damaged_state_takes_the_stable_release_from_the_journal(folder: Folder, phase: Phase, stable: str) -> None:
    rolled_out(folder, "orders", 4, phase)
    (folder.path / "state.json").write_text('{"stable": {"orders"')
    ledger, told = open_ledger(folder)
    assert ledger.state.stable == {"orders": stable}
    assert told.startswith("state.json was damaged: it is made anew (the old one is ")
    assert told.endswith(f"; no data is lost; as the journals have it, orders runs {stable} (its rollout 4)")
    again, nothing = open_ledger(folder)  # whoever comes next need not guess, and has nothing to tell
    assert (again.state.stable, nothing) == ({"orders": stable}, "")


def test_a_lost_state_takes_it_from_the_journals_too(folder: Folder) -> None:
    assert open_ledger(folder)[1] == ""
    rolled_out(folder, "orders", 1, "promoted")
    rolled_out(folder, "payments", 2, "promoted", "dev", OLD)
    ledger, told = open_ledger(folder)
    assert ledger.state.stable == {"orders": NEW}
    assert told.startswith("state.json is lost: it is made anew; no data is lost; as the journals have it, orders runs")
    assert told.endswith("payments runs dev (its rollout 2)")


def test_a_damaged_journal_beside_a_damaged_state_leaves_the_newest_that_can_be_read(folder: Folder) -> None:
    rolled_out(folder, "orders", 1, "promoted", OLD, "dev")
    rolled_out(folder, "orders", 2, "rolled back")
    (folder.rollouts / "orders.json").write_text("{")
    (folder.path / "state.json").mkdir()
    ledger, told = open_ledger(folder)
    assert ledger.state.stable == {"orders": OLD}
    assert "orders runs 0123456789ab (its rollout 1)" in told
