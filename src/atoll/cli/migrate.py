"""`atoll migrate package.module:service`: brings a service's database to its newest revision."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("target", metavar="PACKAGE.MODULE:SERVICE")
def command(target: str) -> None:
    """Bring the service's database (ATOLL_DATABASE_URL) to the newest revision; its own step before a release starts."""
    from atoll.serve import CannotServe
    from atoll.serve.migrate import migrate_service

    try:
        print(migrate_service(target))
    except CannotServe as error:
        print(f"atoll migrate {target}: {error}", file=sys.stderr)
        sys.exit(1)
