"""What is measured: something that can be started, and whose own databases say what it did."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class Question:
    """One statement for one database of the system; its first row is the answer."""

    database: str
    statement: str


@dataclass(frozen=True)
class Running:
    """A started system. processes: name -> pid, each with all its children.

    confirmed: answers (orders confirmed, orders in all, when the last one was confirmed in seconds since 1970).
    captured: answers (payments captured, different orders that they are for).
    untold: answers (events of orders that wait to be published, ...).
    """

    port: int
    token: str
    processes: dict[str, int]
    confirmed: Question
    captured: Question
    untold: Question


@dataclass(frozen=True)
class Candidate:
    """start: brings the system up in an empty folder and ends it afterwards. missing: what it lacks here, in one line, or ""."""

    name: str
    start: Callable[[Path], AbstractContextManager[Running]]
    missing: Callable[[], str] = lambda: ""
