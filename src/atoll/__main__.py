"""``python -m atoll``: the same as the ``atoll`` command."""

from __future__ import annotations

import contextlib
import importlib
import os
import sys

_DIRECT = frozenset({"serve", "migrate"})


def main() -> None:
    """Run the command. ``serve TARGET`` and ``migrate TARGET`` need no parser: a service's start saves its import (60 ms)."""
    match sys.argv[1:]:
        case [verb, target] if verb in _DIRECT and not target.startswith("-"):
            sys.exit(_direct(verb, target))
        case ["serve", "--describe", target]:
            sys.exit(_direct("describe", target))
        case ["serve", "--events", target]:
            sys.exit(_direct("events", target))
        case ["serve", "--release", target]:
            sys.exit(_direct("release", target))
        case ["serve", "--read", target]:
            sys.exit(_direct("read", target))
        case ["serve", "--publish", subject, target]:
            sys.exit(_direct("publish", target, subject))
        case _:
            from atoll.cli import main as command

            command()


def _direct(verb: str, target: str, subject: str = "") -> int:
    from atoll.serve import CannotServe

    try:
        if verb == "serve":
            from atoll.serve.run import serve

            _wait_at_gate(target)
            serve(target)
        elif verb == "describe":
            import json

            from atoll.serve.describe import describe_stacks

            sys.stdout.write(f"{json.dumps(describe_stacks(target, os.environ))}\n")
        elif verb == "events":
            import json

            from atoll.serve.events import describe_events

            sys.stdout.write(f"{json.dumps(describe_events(target))}\n")
        elif verb == "release":
            import json

            from atoll.serve.documents import describe_release

            sys.stdout.write(f"{json.dumps(describe_release(target, os.environ))}\n")
        elif verb == "read":
            import json

            from atoll.serve.fixtures import read_stored

            sys.stdout.write(f"{json.dumps(read_stored(target, sys.stdin.buffer.read()))}\n")
        elif verb == "publish":
            from atoll.serve.events import publish_by_hand

            sys.stdout.write(f"{publish_by_hand(target, subject, sys.stdin.buffer.read(), os.environ)}\n")
        else:
            from atoll.serve.migrate import migrate_service

            _wait_at_gate(target)
            sys.stdout.write(f"{migrate_service(target)}\n")
    except CannotServe as error:
        sys.stderr.write(f"atoll {verb} {target}: {error}\n")
        return 1
    return 0


def _wait_at_gate(target: str) -> None:
    """The local platform starts a service before its database is there: load its code, then wait until it may begin."""
    gate = os.environ.pop("ATOLL_GATE", "")
    if gate:
        with contextlib.suppress(Exception):  # what is wrong with it is said when it is used
            importlib.import_module(target.partition(":")[0])
        os.read(int(gate), 1)
        os.close(int(gate))


if __name__ == "__main__":
    main()
