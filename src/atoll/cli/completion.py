"""``atoll completion bash``: a script for the shell to read."""

from __future__ import annotations

import os
from pathlib import Path

import click

SHELLS = ("bash", "zsh", "fish")


@click.command("completion")
@click.argument("shell", type=click.Choice(SHELLS), required=False)
def command(shell: str | None) -> None:
    """Print the completion for a shell (bash, zsh or fish; yours if none is named).

    bash, zsh: eval "$(atoll completion)" in ~/.bashrc or ~/.zshrc. fish: atoll completion fish | source
    """
    from click.shell_completion import get_completion_class

    from atoll.cli import atoll

    chosen = shell or Path(os.environ.get("SHELL", "")).name or _parent()
    kind = get_completion_class(chosen) if chosen in SHELLS else None
    if kind is None:
        raise click.UsageError(f"there is no completion for {chosen or 'this shell'}; name one of {', '.join(SHELLS)}")
    click.echo(kind(atoll, {}, "atoll", "_ATOLL_COMPLETE").source())


def _parent() -> str:
    """The name of the program that called us: in ``eval "$(atoll completion)"`` that is the shell."""
    import psutil

    try:
        return psutil.Process(os.getppid()).name()
    except psutil.Error:
        return ""
