"""What only shows when the service's own code is asked in its new environment."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.platform.release.projects import atoll_project

from atoll.system import Trouble

MISTAKES = {
    "import requests": "web needs the module 'requests', which is not installed",
    "1 / 0": r"web cannot be imported: .*web/__init__.py:\d+: ZeroDivisionError",
    "del service": "web has no attribute 'service'",
    "service = Service('web', migrations='web:nowhere')": "there is no folder .*web/nowhere",
}


async def test_it_is_one_line_and_leaves_nothing(tmp_path: Path) -> None:
    project = atoll_project(tmp_path)
    whole = project.module.read_text()
    for mistake, line in MISTAKES.items():
        project.module.write_text(f"{whole}\n{mistake}\n")
        with pytest.raises(Trouble, match=line) as refused:
            await project.build()
        assert ".unfinished" not in str(refused.value)
        assert project.on_the_shelf() == set()
