"""``atoll up``: start everything, in the foreground or detached."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click

from atoll.cli.options import json_option, print_json, system_option, system_path
from atoll.system.trouble import Trouble


@click.command("up")
@click.option("-d", "--detach", is_flag=True, help="Return when all is ready; 'atoll down' ends it.")
@click.option("--isolated", is_flag=True, help="Free ports and nothing shared: for several checkouts at once.")
@click.option("--port", type=click.IntRange(0, 65535), help="The gateway's port; 0 takes a free one.")
@click.option("--no-watch", is_flag=True, help="Do not reload services when their files change.")
@json_option
@system_option
@click.pass_context
def command(
    ctx: click.Context,
    detach: bool,
    isolated: bool,
    port: int | None,
    no_watch: bool,
    as_json: bool,
    system_file: str | None,
) -> None:
    """Start the whole system and show it; Ctrl-C ends it."""
    from atoll.platform.local.options import Options

    file = system_path(ctx, system_file)
    options = Options(isolated=isolated, port=port, watch=not no_watch)
    if detach:
        _detached(file, options, as_json)
    else:
        _foreground(file, options, as_json)


def _foreground(file: Path, options: Any, as_json: bool) -> None:
    from atoll.cli.screen import make_screen
    from atoll.platform.local.progress import Ready
    from atoll.platform.local.run import run

    screen = make_screen(quiet=as_json)

    def ready(told: Ready) -> None:
        screen.end()
        if as_json:
            print_json(told.status)
        else:
            screen.summary(told.status, told.hints, "Ctrl-C ends it.")

    try:
        asyncio.run(run(file, options, screen.show, ready))
    finally:
        screen.end()


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
                screen.show(told)
            elif isinstance(told, Failed):
                child.wait()
                raise Trouble(told.line, told.details)
            elif isinstance(told, Ready):
                screen.end()
                if as_json:
                    print_json(told.status)
                else:
                    screen.summary(told.status, told.hints, "'atoll down' ends it.")
                return
        _refuse_silent(child, folder)
    except KeyboardInterrupt:
        child.send_signal(signal.SIGTERM)
        child.wait()
        raise Trouble("interrupted; nothing is left running") from None
    finally:
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
