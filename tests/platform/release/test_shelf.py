from __future__ import annotations

import re
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from atoll.platform.release import Release, Shelf
from atoll.system import Trouble

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)


def put(shelf: Shelf, id_: str, hours: int = 0, service: str = "orders") -> Release:
    with shelf.bench(service) as folder:
        (folder / "contract").mkdir()
        built = BEGAN + timedelta(hours=hours)
        return shelf.put(Release(id_, service, "1.0", "c" * 40, built, folder, serve="orders:service"))


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    return Shelf.beside(tmp_path / "system.py")


def test_a_release_is_read_as_it_was_put(shelf: Shelf) -> None:
    release = put(shelf, "a" * 12)
    assert shelf.all("orders") == (release,)
    assert release.folder == shelf.folder / "orders" / release.id
    assert release.contract.is_dir()


def test_the_newest_is_first(shelf: Shelf) -> None:
    old, new = put(shelf, "f" * 12, 1), put(shelf, "a" * 12, 2)
    assert shelf.all("orders") == (new, old)


def test_an_empty_shelf_has_no_releases(shelf: Shelf) -> None:
    assert shelf.all("orders") == ()
    assert shelf.find("orders", "a" * 12) is None


def test_a_beginning_of_the_id_is_enough_if_it_is_the_only_one(shelf: Shelf) -> None:
    first, _ = put(shelf, "aaaab" + "0" * 7), put(shelf, "aaaac" + "0" * 7)
    assert shelf.get("orders", "aaaab") == first
    with pytest.raises(Trouble, match=r"orders: 'aaaa' may be aaaa.0000000, aaaa.0000000; give more of the id"):
        shelf.get("orders", "aaaa")


@pytest.mark.parametrize(
    ("slip", "why"), [("a", "may be anything"), ("", "may be anything"), ("7", "rollouts have numbers")]
)
def test_a_slip_of_the_finger_is_no_release(shelf: Shelf, slip: str, why: str) -> None:
    put(shelf, "7a" * 6)
    put(shelf, "a" * 12)
    with pytest.raises(Trouble, match=why):
        shelf.get("orders", slip)


@pytest.mark.parametrize("wanted", ["dead", "../orders", ".lock"])
def test_a_release_that_is_not_there_is_one_line_with_what_to_do(shelf: Shelf, wanted: str) -> None:
    put(shelf, "a" * 12)
    with pytest.raises(Trouble, match=r"there is no release .*'atoll releases orders' lists them"):
        shelf.get("orders", wanted)


def test_releases_of_another_service_are_not_found(shelf: Shelf) -> None:
    put(shelf, "a" * 12, service="payments")
    assert shelf.all("orders") == ()


def test_a_build_that_fails_leaves_nothing(shelf: Shelf) -> None:
    with pytest.raises(ValueError, match="half"), shelf.bench("orders") as folder:
        (folder / "environment").mkdir()
        raise ValueError("half of it")
    assert [path.name for path in (shelf.folder / "orders").iterdir()] == [".lock"]


def test_what_a_killed_build_left_is_unseen_and_removed_by_the_next(shelf: Shelf) -> None:
    left = shelf.folder / "orders" / ".unfinished-x"
    left.mkdir(parents=True)
    (left / "release.json").write_text("half")
    assert shelf.all("orders") == ()
    release = put(shelf, "a" * 12)
    assert not left.exists()
    assert shelf.all("orders") == (release,)


def test_one_build_of_a_service_at_a_time_and_of_others_beside_it(shelf: Shelf) -> None:
    with shelf.bench("orders"):
        with pytest.raises(Trouble, match="orders is being built or pruned by another command"), shelf.bench("orders"):
            pass
        with shelf.bench("payments"):
            pass


def test_a_damaged_manifest_is_one_line_that_names_the_remedy(shelf: Shelf) -> None:
    release, other = put(shelf, "a" * 12), put(shelf, "b" * 12)
    (release.folder / "release.json").write_text("{")
    remedy = f"release.json cannot be read .* remove {release.folder}"
    with pytest.raises(Trouble, match=remedy):
        shelf.get("orders", "aaaa")
    (why,) = shelf.damaged("orders").values()
    assert re.search(remedy, why)
    assert shelf.all("orders") == (other,)


def test_pruning_keeps_the_newest_and_those_in_use(shelf: Shelf) -> None:
    releases = [put(shelf, f"{number:012x}", number) for number in range(5)]
    removed = shelf.prune("orders", 2, {releases[0].id})
    assert [one.id for one in removed] == [releases[2].id, releases[1].id]
    assert [one.id for one in shelf.all("orders")] == [releases[4].id, releases[3].id, releases[0].id]
    assert not any(path.name.startswith(".unfinished") for path in (shelf.folder / "orders").iterdir())


def test_pruning_waits_for_nobody(shelf: Shelf) -> None:
    put(shelf, "a" * 12)
    with shelf.bench("orders"), pytest.raises(Trouble, match="wait until it is done"):
        shelf.prune("orders", 0, ())


def test_the_lock_is_free_when_its_holder_was_killed(shelf: Shelf) -> None:
    put(shelf, "a" * 12)
    code = f"""
import os, signal
from pathlib import Path
from atoll.platform.release import Shelf
with Shelf(Path({str(shelf.folder)!r})).bench("orders"):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == -9
    release = put(shelf, "b" * 12, 1)
    assert shelf.all("orders")[0] == release
    assert len(list((shelf.folder / "orders").iterdir())) == 3  # the two and the lock


def test_a_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / ".atoll").write_text("in the way")
    with (
        pytest.raises(Trouble, match="in the way of a folder; remove it"),
        Shelf.beside(tmp_path / "system.py").bench("orders"),
    ):
        pass


def test_a_release_starts_from_its_own_environment_alone(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/usr/bin")
    release = put(shelf, "a" * 12)
    python = str(release.folder / "environment/bin/python")
    assert release.argv == (python, "-m", "atoll", "serve", "orders:service")
    assert release.migrate_argv == (python, "-m", "atoll", "migrate", "orders:service")
    assert release.environment["PATH"] == f"{release.folder}/environment/bin:/usr/bin"
    assert release.environment["PYTHONPATH"] == ""


def test_a_damaged_release_keeps_nobody_from_another_one(shelf: Shelf) -> None:
    damaged, whole = put(shelf, "a" * 12), put(shelf, "b" * 12)
    (damaged.folder / "release.json").write_text("{")
    assert shelf.get("orders", whole.id) == whole
    with pytest.raises(Trouble, match="cannot be read"):
        shelf.get("orders", damaged.id)


def test_a_release_that_lies_in_another_ones_place_is_not_taken_for_it(shelf: Shelf) -> None:
    one, other = put(shelf, "a" * 12), put(shelf, "b" * 12)
    (one.folder / "release.json").write_bytes((other.folder / "release.json").read_bytes())
    with pytest.raises(Trouble, match="is of orders bbbbbbbbbbbb, and lies where orders aaaaaaaaaaaa should; remove"):
        shelf.get("orders", one.id)
