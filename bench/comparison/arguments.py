"""Numbers on the command line, and what ends a benchmark before its time."""

from __future__ import annotations

import argparse
import signal
import sys
from math import inf
from types import FrameType
from typing import NoReturn

# Each is an open file of the load and of what answers; 1,024 are what Linux allows a process by default.
MOST_CONNECTIONS = 1000
_ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Parser(argparse.ArgumentParser):
    """What is wrong is one line; the usage is in ``--help``."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}; see --help\n")


def count(text: str) -> int:
    """At least one."""
    if not text.isascii() or not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"give a whole number of at least 1, not {text!r}")
    return int(text)


def connections(text: str) -> int:
    """At least one, and not too many."""
    number = count(text)
    if number > MOST_CONNECTIONS:
        raise argparse.ArgumentTypeError(f"give at most {MOST_CONNECTIONS}, not {text}")
    return number


def positive(text: str) -> float:
    """More than nothing."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number < inf:
        raise argparse.ArgumentTypeError(f"give a number above 0, not {text!r}")
    return number


def end_in_order() -> None:
    """Ctrl-C, SIGTERM and a terminal that closes end what was started; a second one does not disturb that."""
    for one in _ENDING:
        signal.signal(one, _stop)


def _stop(_number: int, _frame: FrameType | None) -> None:
    for one in _ENDING:
        signal.signal(one, signal.SIG_IGN)
    print("stopping what was started", file=sys.stderr, flush=True)
    raise KeyboardInterrupt
