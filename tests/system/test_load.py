from __future__ import annotations

from pathlib import Path

import pytest

from atoll.system import Trouble
from atoll.system.load import find_system, load_system

ONE = 'from atoll.system import System\nsystem = System("one")\n'


def write(path: Path, text: str = ONE) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, "utf-8")
    return path


def test_the_nearest_file_upwards_is_found(tmp_path: Path) -> None:
    outer, inner = write(tmp_path / "system.py"), write(tmp_path / "a/system.py")
    below = tmp_path / "a/b"
    below.mkdir()
    assert find_system(None, below) == inner
    assert find_system(None, tmp_path) == outer


def test_a_project_names_its_file(tmp_path: Path) -> None:
    found = write(tmp_path / "shop/system.py")
    write(tmp_path / "pyproject.toml", '[tool.atoll]\nsystem = "shop/system.py"\n')
    assert find_system(None, tmp_path) == found


def test_a_project_that_does_not_name_one_is_passed_over(tmp_path: Path) -> None:
    found = write(tmp_path / "system.py")
    write(tmp_path / "orders/pyproject.toml", "[project]\n")
    assert find_system(None, tmp_path / "orders") == found


def test_an_option_may_name_the_file_or_its_folder(tmp_path: Path) -> None:
    found = write(tmp_path / "a/system.py")
    assert find_system(str(found)) == find_system(str(found.parent)) == found


@pytest.mark.parametrize(
    ("project", "text"),
    [
        ("[tool.atoll]\nsystem = 'no.py'", "there is no such file; correct the path"),
        ("[", "correct it, or use --system PATH"),
    ],
)
def test_a_wrong_project_is_one_line(tmp_path: Path, project: str, text: str) -> None:
    write(tmp_path / "pyproject.toml", project)
    with pytest.raises(Trouble, match=text):
        find_system(None, tmp_path)


def test_no_file_at_all_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"no system.py in .* or above it; write one, or name it with --system PATH"):
        find_system(None, tmp_path)
    with pytest.raises(Trouble, match="there is no such file"):
        find_system(str(tmp_path / "system.py"))


def test_the_system_is_loaded_whatever_its_name(tmp_path: Path) -> None:
    assert load_system(write(tmp_path / "system.py", ONE.replace("system =", "mine = also ="))).name == "one"


def test_two_systems_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "system.py", ONE + 'other = System("two")\n')
    with pytest.raises(Trouble) as caught:
        load_system(path)
    assert str(caught.value) == "system.py:3: a second System, 'two', besides 'one' of system.py:2; keep one"


def test_a_syntax_error_in_another_file_names_that_file(tmp_path: Path) -> None:
    write(tmp_path / "broken_contracts.py", "\nclass\n")
    with pytest.raises(Trouble, match=r"^broken_contracts.py:2: invalid syntax; correct the syntax$"):
        load_system(write(tmp_path / "system.py", "import broken_contracts\n" + ONE))


def test_a_system_file_that_exits_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Trouble, match=r"^system.py:1: SystemExit: 3; correct this line$"):
        load_system(write(tmp_path / "system.py", "raise SystemExit(3)"))
