"""Each service of the shop is released by itself: a version, a changelog and a pipeline of its own, the others not present."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.platform.release.projects import REPOSITORY

SHOP = REPOSITORY / "shop"
SERVICES = ("auth", "inventory", "orders", "payments")
PACKAGES = (*SERVICES, "contracts")


def version_of(package: str) -> str:
    project = tomllib.loads((SHOP / package / "pyproject.toml").read_text("utf-8"))["project"]
    return str(project["version"])


def pipeline(service: str) -> dict[str, Any]:
    text = (REPOSITORY / ".github" / "workflows" / f"{service}.yml").read_text("utf-8")
    found: dict[str, Any] = yaml.safe_load(text)
    return found


@pytest.mark.parametrize("package", PACKAGES)
def test_the_changelog_begins_with_the_version(package: str) -> None:
    text = (SHOP / package / "CHANGELOG.md").read_text("utf-8")
    headings = re.findall(r"^## (.+)$", text, re.MULTILINE)
    assert next(heading for heading in headings if heading != "Unreleased") == version_of(package)


@pytest.mark.parametrize("service", SERVICES)
def test_a_service_says_the_version_of_its_package(service: str) -> None:
    code = (SHOP / service / "src" / f"shop_{service}" / "service.py").read_text("utf-8")
    assert re.findall(r'version="(.+)"', code) == [version_of(service)]


@pytest.mark.parametrize("service", SERVICES)
def test_a_pipeline_has_only_its_own_service(service: str) -> None:
    found = pipeline(service)
    checkout = found["jobs"]["release"]["steps"][0]["with"]["sparse-checkout"].split()
    assert checkout == ["src", "shop/contracts", f"shop/{service}"]
    commands = [step["run"] for job in found["jobs"].values() for step in job["steps"] if "run" in step]
    others = [other for other in SERVICES if other != service]
    assert not any(f"shop/{other}" in command for command in commands for other in others)
    assert any(command.endswith(f"atoll build {service} --json") for command in commands)


@pytest.mark.parametrize("service", SERVICES)
def test_a_pipeline_compares_with_a_contract_that_is_there(service: str) -> None:
    (check,) = (
        step["run"] for step in pipeline(service)["jobs"]["contract"]["steps"] if "contract" in step.get("run", "")
    )
    assert (REPOSITORY / check.partition("--against ")[2] / "openapi.json").is_file()


@pytest.mark.slow
@pytest.mark.timeout(400)
@pytest.mark.parametrize("service", SERVICES)
def test_its_steps_succeed_where_the_other_services_are_not(service: str, tmp_path: Path) -> None:
    """What the pipeline runs, in a copy of what it checks out; uv's own steps take what this machine has."""
    copy_of(service, tmp_path)
    uv = str(Path(sys.executable).with_name("uv"))
    for command in [step["run"] for step in pipeline(service)["jobs"]["release"]["steps"] if "run" in step][1:]:
        program, *arguments = command.split()
        if program == "uv":
            program, arguments = uv, [*arguments, "--python", sys.executable, "--quiet"]
        done = run(tmp_path, program, *arguments)
        if "build" in arguments:
            (release,) = json.loads(done)["releases"]
            assert (release["service"], release["version"]) == (service, version_of(service))
            assert (Path(release["folder"]) / "contract" / "openapi.json").exists()
        if "pytest" in arguments:
            assert re.search(r"[1-9]\d* passed", done)


def copy_of(service: str, to: Path) -> None:
    """A sparse checkout has the files of the folders on the way, too."""
    ignored = shutil.ignore_patterns("__pycache__", ".atoll", ".venv")
    for folder in ("src", "shop/contracts", f"shop/{service}"):
        shutil.copytree(REPOSITORY / folder, to / folder, ignore=ignored)
    for path in (*REPOSITORY.glob("*.*"), REPOSITORY / "LICENSE", *SHOP.glob("*.py")):
        if path.is_file():
            shutil.copy2(path, to / path.relative_to(REPOSITORY))


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout[-2000:]} {done.stderr[-2000:]}"
    return done.stdout
