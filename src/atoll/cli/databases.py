"""The services' databases, for verbs that look into them: of the running system, or the one that the environment names.

Whoever can open a service's database may repair what is in it; no port listens for that (docs/adr/0010).
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.data import Database

T = TypeVar("T")
VARIABLE = "ATOLL_DATABASE_URL"


def database_urls(find: Callable[[], Path], service: str = "") -> Mapping[str, str]:
    """service -> its database's URL. With ATOLL_DATABASE_URL set it is that one; else those of the running system.

    find: where system.py is; not called if the environment names a database. Trouble if there is no such service.
    """
    if url := os.environ.get(VARIABLE):
        name = service or os.environ.get("ATOLL_SERVICE", "") or "service"
        return {name: url}
    urls = running_database_urls(find())
    if not service:
        return urls
    if service not in urls:
        known = ", ".join(urls) or "none"
        raise Trouble(f"{service!r} is no service with a database; there are: {known}")
    return {service: urls[service]}


def each(urls: Mapping[str, str], action: Callable[[str, Database], Awaitable[T]]) -> list[T]:
    """What the action gives for each service and its database; Trouble with one line if a database does not answer."""
    return asyncio.run(_each(urls, action))


async def _each(urls: Mapping[str, str], action: Callable[[str, Database], Awaitable[T]]) -> list[T]:
    from atoll.operate import DatabaseAway, Databases

    try:
        return list((await Databases(urls).ask(action)).values())
    except DatabaseAway as error:
        raise Trouble(str(error)) from None


def running_database_urls(file: Path) -> Mapping[str, str]:
    """service -> its database's URL, of the running system beside ``file``; Trouble if none runs."""
    from atoll.cli.client import Client
    from atoll.platform.local import ground
    from atoll.platform.local.postgres import KIND, GivenPostgres, OwnPostgres
    from atoll.system.load import load_system

    client = Client(file)
    client.require_running()
    system, state = load_system(file), client.folder.read_state()
    part = system.postgres
    if part is None:
        return {}
    if any(
        record.kind == KIND for record in state.processes.values()
    ):  # its own, whatever the model gives (--isolated)
        system = replace(system, postgres=replace(part, address=""))
        own = OwnPostgres(client.folder, state.ports[KIND], 0, durable=True)
        return ground.database_urls(system, own, client.folder)
    return ground.database_urls(system, GivenPostgres(part.address, part.place), client.folder)
