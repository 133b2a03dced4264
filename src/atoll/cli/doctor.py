"""``atoll doctor``: whether this machine has what it takes, and what to do if not."""

from __future__ import annotations

import os
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import click

from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.platform.local.binaries import Program

_LITTLE_DISK = 500_000_000  # bytes
Result = tuple[str, bool, str]


@click.command("doctor")
@json_option
@system_option
@click.pass_context
def command(ctx: click.Context, as_json: bool, system_file: str | None) -> None:
    """Look whether this machine has what it takes; exit code 1 if something is missing."""
    results = list(_results(ctx, system_file))
    if as_json:
        print_json(
            {
                "fine": all(fine for _, fine, _ in results),
                "checks": [{"name": name, "fine": fine, "text": text} for name, fine, text in results],
            }
        )
    else:
        for name, fine, text in results:
            click.echo(f"{'ok  ' if fine else 'FAIL'}  {name:<10} {text}")
    if not all(fine for _, fine, _ in results):
        sys.exit(1)


def _results(ctx: click.Context, system_file: str | None) -> Iterator[Result]:
    from atoll.platform.local import binaries

    yield "python", sys.version_info >= (3, 11), f"{platform.python_version()} ({sys.executable})"
    yield _tried("machine", _machine)
    for name, find in (
        ("envoy", binaries.find_envoy),
        ("nats", binaries.find_nats),
        ("postgres", binaries.find_postgres),
    ):
        yield _tried(name, partial(_found, find))
    yield _tried("user", _user)
    yield _tried("system", lambda: _system(ctx, system_file))
    yield _disk(Path.cwd())


def _tried(name: str, look: Callable[[], str]) -> Result:
    try:
        return name, True, look()
    except Trouble as trouble:
        return name, False, str(trouble)


def _machine() -> str:
    from atoll.platform.local.binaries import require_platform

    require_platform()
    return f"{sys.platform} on {platform.machine()}"


def _found(find: Callable[[], Program]) -> str:
    found = find()
    return f"{found.path} (from {found.origin})"


def _user() -> str:
    from atoll.platform.local.binaries import find_postgres
    from atoll.platform.local.demotion import demotion

    how = demotion(find_postgres().path, Path.cwd() / ".atoll" / "postgres")
    if not how.prefix:
        return f"uid {os.getuid()}"
    return "root; PostgreSQL runs " + ("in a user namespace" if how.owner is None else f"as uid {how.owner[0]}")


def _system(ctx: click.Context, system_file: str | None) -> str:
    from atoll.platform.local.run import checked_system

    file = system_path(ctx, system_file)
    return f"{checked_system(file).name} ({file})"


def _disk(folder: Path) -> Result:
    free = shutil.disk_usage(folder).free
    return "disk", free > _LITTLE_DISK, f"{free // 1_000_000} MB free at {folder}"
