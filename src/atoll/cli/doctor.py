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

from atoll.cli.interpreter import optimised
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.platform.local.binaries import Program
    from atoll.platform.local.given import GivenBroker
    from atoll.platform.local.postgres import GivenPostgres
    from atoll.system import System

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
            click.echo(f"{'ok  ' if fine else 'FAIL'}  {name:<14} {text}")
    if not all(fine for _, fine, _ in results):
        sys.exit(1)


def _results(ctx: click.Context, system_file: str | None) -> Iterator[Result]:
    from atoll.platform.local import binaries
    from atoll.platform.local.run import checked_system

    yield "python", sys.version_info >= (3, 11), _python()
    yield _tried("machine", _machine)
    for name, find in (
        ("envoy", binaries.find_envoy),
        ("nats", binaries.find_nats),
        ("postgres", binaries.find_postgres),
    ):
        yield _tried(name, partial(_found, find))
    yield _tried("user", _user)
    try:
        file = system_path(ctx, system_file)
        system = checked_system(file)
    except Trouble as trouble:
        yield "system", False, str(trouble)
    else:
        yield "system", True, f"{system.name} ({file})"
        yield from _needs(system, file)
    yield _disk(Path.cwd())


def _python() -> str:
    slow = "" if optimised() else "; it was built without --enable-optimizations, so services are slower with it"
    return f"{platform.python_version()} ({sys.executable}){slow}"


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


def _needs(system: System, file: Path) -> Iterator[Result]:
    """What the model asks of this machine: the gateway's port, and servers that run already."""
    from atoll.cli.client import Client
    from atoll.platform.local.ground import given_parts, require_gateway_port

    if system.gateway is not None:
        if Client(file).runs:
            yield "gateway", True, "the system runs"
        else:
            yield _tried("gateway", partial(require_gateway_port, system.gateway))
    yield from _broker(system)
    for part in given_parts(system):
        yield _tried(f"given {part.kind}", partial(_reachable, part))


def _broker(system: System) -> Iterator[Result]:
    """Of a broker that no wheel brings: its program, and the library that services need to speak with it."""
    from importlib.util import find_spec

    from atoll.platform.local.fetched import look
    from atoll.system.servers import kind_of

    kind = kind_of(system.broker).name if system.broker is not None else ""
    library = {"rabbitmq": "aio_pika", "kafka": "confluent_kafka"}.get(kind)
    if system.broker is None or library is None:
        return
    if not system.broker.address:
        yield _tried(kind, partial(look, kind))
    found = find_spec(library) is not None
    text = f"{library} is {'there' if found else 'missing'}"
    yield f"{kind} library", found, text if found else f'{text}; run pip install "atoll[{kind}]"'


def _reachable(part: GivenPostgres | GivenBroker) -> str:
    import asyncio

    asyncio.run(part.look())
    return part.url


def _disk(folder: Path) -> Result:
    free = shutil.disk_usage(folder).free
    return "disk", free > _LITTLE_DISK, f"{free // 1_000_000} MB free at {folder}"
