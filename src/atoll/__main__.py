"""``python -m atoll``: the same as the ``atoll`` command."""

from __future__ import annotations

import sys

_DIRECT = frozenset({"serve", "migrate"})


def main() -> None:
    """Run the command. ``serve TARGET`` and ``migrate TARGET`` need no parser: a service's start saves its import (60 ms)."""
    match sys.argv[1:]:
        case [verb, target] if verb in _DIRECT and not target.startswith("-"):
            sys.exit(_direct(verb, target))
        case _:
            from atoll.cli import main as command

            command()


def _direct(verb: str, target: str) -> int:
    from atoll.serve import CannotServe

    try:
        if verb == "serve":
            from atoll.serve.run import serve

            serve(target)
        else:
            from atoll.serve.migrate import migrate_service

            sys.stdout.write(f"{migrate_service(target)}\n")
    except CannotServe as error:
        sys.stderr.write(f"atoll {verb} {target}: {error}\n")
        return 1
    return 0


if __name__ == "__main__":
    main()
