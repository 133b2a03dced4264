"""`atoll serve package.module:service`: runs one service, configured by environment variables only."""

from __future__ import annotations

import sys

import click


@click.command()
@click.argument("target", metavar="PACKAGE.MODULE:SERVICE")
def command(target: str) -> None:
    """Run one service until it is told to stop.

    It is configured by environment variables only (see docs/service.md): ATOLL_HOST, ATOLL_PORT, ATOLL_DATABASE_URL,
    ATOLL_BROKER_URL, ATOLL_REGISTRY_URL and the service's own settings.
    """
    from atoll.serve import CannotServe
    from atoll.serve.run import serve

    try:
        serve(target)
    except CannotServe as error:
        print(f"atoll serve {target}: {error}", file=sys.stderr)
        sys.exit(1)
