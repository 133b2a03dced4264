"""``atoll psql orders``: a service's own database, opened with its own role."""

from __future__ import annotations

import os
from urllib.parse import unquote, urlsplit, urlunsplit

import click

from atoll.cli.complete import complete_service
from atoll.cli.databases import database_urls
from atoll.cli.options import system_path


@click.command("psql", context_settings={"ignore_unknown_options": True})
@click.argument("service", shell_complete=complete_service)
@click.argument("arguments", nargs=-1, type=click.UNPROCESSED, metavar="[PSQL ARGUMENT]...")
@click.option("--system", "system_file", metavar="PATH", help="The system.py (or its folder).")
@click.pass_context
def command(ctx: click.Context, service: str, arguments: tuple[str, ...], system_file: str | None) -> None:
    """Open a service's database in psql, as the service's role: tables of its own, and those of the framework in "atoll".

    What follows the name is psql's: atoll psql orders -c 'SELECT * FROM atoll.dead_letters'
    """
    from atoll.platform.local.binaries import find_psql

    url = database_urls(lambda: system_path(ctx, system_file), service)[service]
    program = find_psql()
    shown, password = without_password(url)
    # The password goes by the environment: argv is for everyone to read.
    environment = {**os.environ, "PGPASSWORD": password, "PGAPPNAME": "atoll psql"}
    os.execve(program.path, (str(program.path), *arguments, "--dbname", shown), environment)  # noqa: S606 - no shell


def without_password(url: str) -> tuple[str, str]:
    """The URL without its password, and the password."""
    parts = urlsplit(url)
    account, _, address = parts.netloc.rpartition("@")
    user = account.partition(":")[0]
    return urlunsplit(parts._replace(netloc=f"{user}@{address}" if user else address)), unquote(parts.password or "")
