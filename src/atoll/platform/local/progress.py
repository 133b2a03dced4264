"""What the supervisor tells while it works: small records, shown by the command line and sent through a pipe when detached."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import msgspec

Stage = Literal["starting", "ready", "stopping", "stopped", "restarting", "failed", "note"]


class Progress(msgspec.Struct, frozen=True, tag="progress"):
    """One thing that happened.

    name: ``postgres``, ``orders-1``. seconds: since the supervisor began. text: where it is, or why.
    """

    name: str
    stage: Stage
    seconds: float
    text: str = ""


class Ready(msgspec.Struct, frozen=True, tag="ready"):
    """All is ready. status: the object that ``atoll up --json`` prints."""

    status: dict[str, object]
    hints: tuple[str, ...] = ()


class Failed(msgspec.Struct, frozen=True, tag="failed"):
    """It did not start. line: what and what to do. details: the culprit's last log lines."""

    line: str
    details: tuple[str, ...] = ()


Report = Callable[[Progress], None]
Told = Progress | Ready | Failed
