"""`package.module:attribute` finds the service, or one line says why not."""

from __future__ import annotations

from pathlib import Path

import pytest

from atoll.serve.failure import CannotServe
from atoll.serve.load import load_service


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.syspath_prepend(str(tmp_path))
    (tmp_path / "good_one.py").write_text("from atoll.service import Service\nservice = Service('good')\nother = 3\n")
    (tmp_path / "broken_one.py").write_text("x = 1\nservice = 1 / 0\n")
    (tmp_path / "needy_one.py").write_text("import no_such_library\n")
    (tmp_path / "garbled_one.py").write_text("def (:\n")
    return tmp_path


def test_the_service_is_found(module: Path) -> None:
    assert load_service("good_one:service").name == "good"


@pytest.mark.parametrize(
    ("target", "complaint"),
    [
        ("good_one", "is not like package.module:attribute"),
        ("good_one:other", "is of type int, not an atoll.service.Service"),
        ("good_one:nothing", "has no attribute 'nothing'"),
        ("missing_one:service", "there is no module 'missing_one'"),
        ("needy_one:service", "needs the module 'no_such_library'"),
        ("broken_one:service", "broken_one.py:2: ZeroDivisionError"),
        ("garbled_one:service", "garbled_one.py:1: SyntaxError"),
    ],
)
def test_a_mistake_is_one_line(module: Path, target: str, complaint: str) -> None:
    with pytest.raises(CannotServe) as caught:
        load_service(target)
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)
