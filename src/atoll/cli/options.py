"""What the verbs share: where the system is, and printing as JSON."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])


def system_option(function: F) -> F:
    """``-f/--system`` after the verb as well as before it."""
    return click.option("-f", "--system", "system_file", metavar="PATH", help="The system.py (or its folder).")(
        function
    )


def json_option(function: F) -> F:
    """``--json``, for verbs that print."""
    return click.option("--json", "as_json", is_flag=True, help="Print JSON.")(function)


def system_path(ctx: click.Context, option: str | None) -> Path:
    """The system.py that is meant."""
    from atoll.system.load import find_system

    return find_system(option or ctx.find_root().obj)


def print_json(value: object) -> None:
    """One object, indented."""
    import json

    click.echo(json.dumps(value, indent=2))
