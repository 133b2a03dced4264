"""What the README shows is what the commands do."""

from __future__ import annotations

from pathlib import Path

from atoll.system.load import load_system

ROOT = Path(__file__).parents[2]


def test_the_readme_shows_the_lines_that_atoll_up_prints() -> None:
    gateway = "http://127.0.0.1:8080"
    hints = load_system(ROOT / "shop" / "system.py").hints
    printed = [hint.replace("{gateway}", gateway) for hint in hints]
    shown = [
        line[2:]
        for line in (ROOT / "README.md").read_text().splitlines()
        if line.startswith(("$ curl", "$ TOKEN", "$ ORDER"))
    ]
    assert shown == printed


def test_the_readmes_commands_are_verbs_of_the_makefile() -> None:
    readme, makefile = (ROOT / "README.md").read_text(), (ROOT / "Makefile").read_text()
    for verb in ("up", "test"):
        assert f"$ make {verb}\n" in readme
        assert f"\n{verb}:" in makefile
