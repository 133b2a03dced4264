from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEM = """
from atoll.system import Service, Slo, System
system = System("small", services=(Service("web", serve="web:service"),), slos=(Slo({target!r}),))
"""


def publish(folder: Path, *arguments: str, target: str = "web") -> subprocess.CompletedProcess[str]:
    (folder / "system.py").write_text(SYSTEM.format(target=target), "utf-8")
    command = (sys.executable, "-m", "atoll", "publish", *arguments)
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, check=False, timeout=30, env=dict(os.environ)
    )


@pytest.mark.parametrize(("engine", "first"), [("prometheus", "prometheus.yml"), ("grafana", "dashboards")])
def test_it_names_the_files_that_it_wrote(tmp_path: Path, engine: str, first: str) -> None:
    done = publish(tmp_path, engine, "--json")
    assert done.returncode == 0, done.stderr
    files = json.loads(done.stdout)["files"]
    assert files[0].startswith(f"{engine}/{first}")
    assert all((tmp_path / name).is_file() for name in files)


def test_a_system_that_does_not_run_is_expected_at_its_names(tmp_path: Path) -> None:
    publish(tmp_path, "prometheus", "--to", "there")
    (group,) = json.loads((tmp_path / "there/targets/small.json").read_text("utf-8"))
    assert group["targets"] == ["web:8000"]


def test_a_wrong_model_is_one_line_and_writes_nothing(tmp_path: Path) -> None:
    done = publish(tmp_path, "prometheus", target="wbe")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert "system.py:3: Slo 'wbe': there is no such service; known are web" in line
    assert not (tmp_path / "prometheus").exists()


def test_a_folder_that_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    done = publish(tmp_path, "prometheus", "--to", "file")
    assert done.returncode == 1
    assert "name another folder with --to DIR" in done.stderr
    assert "Traceback" not in done.stderr
