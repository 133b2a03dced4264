"""``atoll up``: start everything, in the foreground or detached."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from atoll.cli.complete import complete_service
from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from atoll.cli.screen import Screen
    from atoll.platform.local.progress import Progress, Ready


@click.command("up")
@click.option("-d", "--detach", is_flag=True, help="Return when all is ready; 'atoll down' ends it.")
@click.option("--isolated", is_flag=True, help="Free ports and nothing shared: for several checkouts at once.")
@click.option("--port", type=click.IntRange(0, 65535), help="The gateway's port; 0 takes a free one.")
@click.option(
    "--broker",
    type=click.Choice(["nats", "rabbitmq", "kafka"]),
    envvar="ATOLL_BROKER",
    help="Another broker than the model's.",
)
@click.option("--no-watch", is_flag=True, help="Do not reload services when their files change.")
@click.option("--no-dashboard", is_flag=True, help="Serve no page about the system, and keep no telemetry.")
@click.option(
    "--dev",
    multiple=True,
    metavar="SERVICE",
    shell_complete=complete_service,
    help="Forget its stable release: run the working tree; may be repeated.",
)
@json_option
@system_option
@click.pass_context
def command(
    ctx: click.Context,
    detach: bool,
    isolated: bool,
    port: int | None,
    broker: str | None,
    no_watch: bool,
    no_dashboard: bool,
    dev: tuple[str, ...],
    as_json: bool,
    system_file: str | None,
) -> None:
    """Start the whole system and show it; Ctrl-C ends it."""
    from atoll.platform.local.options import Options

    file = system_path(ctx, system_file)
    faults = os.environ.get("ATOLL_FAULTS", "on") != "off"
    options = Options(
        isolated=isolated,
        port=port,
        watch=not no_watch,
        broker=broker or "",
        faults=faults,
        dashboard=not no_dashboard,
        dev=dev,
    )
    if detach:
        _detached(file, options, as_json)
    else:
        _foreground(file, options, as_json)


def _foreground(file: Path, options: Any, as_json: bool) -> None:
    from atoll.cli.screen import make_screen
    from atoll.platform.local.run import run

    screen = make_screen(quiet=as_json)

    def show(progress: Progress) -> None:
        with even_if_nobody_reads():
            screen.show(progress)

    def ready(told: Ready) -> None:
        with even_if_nobody_reads():
            _summarise(screen, told, "Ctrl-C ends it.", as_json)

    try:
        asyncio.run(run(file, options, show, ready))
    finally:
        with even_if_nobody_reads():
            screen.end()


def _summarise(screen: Screen, told: Ready, last: str, as_json: bool) -> None:
    screen.end()
    if as_json:
        print_json(told.status)
    else:
        screen.summary(told.status, told.hints, last)


@contextmanager
def even_if_nobody_reads() -> Iterator[None]:
    """What is written to a pipe whose reader has gone (``atoll up | head``) is dropped, now and later; the work goes on."""
    try:
        yield
    except BrokenPipeError:
        # Not only caught: what is buffered would fail again at the interpreter's end.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def _detached(file: Path, options: Any, as_json: bool) -> None:
    import msgspec

    from atoll.cli.screen import make_screen
    from atoll.platform.local.folder import Folder
    from atoll.platform.local.logs import open_log
    from atoll.platform.local.progress import Failed, Progress, Ready

    folder = Folder.beside(file)
    folder.create()
    screen = make_screen(quiet=as_json)
    reading, writing = os.pipe()
    log = open_log(folder.log("supervisor"))
    argv = (
        sys.executable,
        "-m",
        "atoll.platform.local.run",
        str(file),
        msgspec.json.encode(options).decode(),
        str(writing),
    )
    child = subprocess.Popen(
        argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True, pass_fds=(writing,)
    )
    os.close(writing)
    os.close(log)
    try:
        for told in _told(reading):
            if isinstance(told, Progress):
                with even_if_nobody_reads():
                    screen.show(told)
            elif isinstance(told, Failed):
                child.wait()
                raise Trouble(told.line, told.details)
            elif isinstance(told, Ready):
                with even_if_nobody_reads():
                    _summarise(screen, told, "'atoll down' ends it.", as_json)
                return
        _refuse_silent(child, folder)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise Trouble("interrupted; nothing is left running") from None
    finally:
        with even_if_nobody_reads():
            screen.end()


def _told(handle: int) -> Iterator[object]:
    import msgspec

    from atoll.platform.local.progress import Told

    decoder = msgspec.json.Decoder(Told)
    with os.fdopen(handle, "rb") as lines:
        for line in lines:
            yield decoder.decode(line)


def _refuse_silent(child: subprocess.Popen[bytes], folder: Any) -> None:
    from atoll.platform.local.logs import tail

    code = child.wait()
    if code == 0:
        raise Trouble("the start was ended before all was ready; nothing is left running")
    log = folder.log("supervisor")
    raise Trouble(f"the supervisor ended with exit code {code}; run 'atoll up' again, and see {log}", tail(log))
