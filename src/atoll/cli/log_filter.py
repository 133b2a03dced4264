"""Which lines of the logs a person wants to see."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime

from atoll.platform.dashboard.asking import LEVELS, Wrong, trace_id
from atoll.platform.dashboard.lines import record_of
from atoll.platform.local.logs import MARK
from atoll.platform.local.logtimes import Line
from atoll.system.trouble import Trouble


@dataclass(slots=True)
class Filter:
    """level: the least bad that is shown. text: in the line, in any case. trace: its id. since: the earliest time.

    It is false where it takes everything.
    """

    level: str = ""
    text: str = ""
    trace: str = ""
    since: datetime | None = None
    _last: dict[str, tuple[str, bool]] = field(
        default_factory=dict
    )  # of each log: its last line, and whether it was taken

    def __post_init__(self) -> None:
        try:
            self.trace = trace_id(self.trace).hex() if self.trace else ""
        except Wrong as error:
            raise Trouble(f"--trace: {error}; 'atoll traces' lists them") from None

    def __bool__(self) -> bool:
        return bool(self.level or self.text or self.trace or self.since)

    def takes(self, line: Line) -> bool:
        """Whether it is shown. The lines of a stack go with the line above it."""
        before, taken = self._last.get(line.name, ("", False))
        taken = (taken and not line.own and _continues(line.text, before)) or self._fits(line)
        self._last[line.name] = line.text, taken
        return taken

    def _fits(self, line: Line) -> bool:
        if not self:
            return True
        if line.text.startswith(MARK) or (self.since is not None and line.when < self.since):
            return False
        if self.text and self.text.lower() not in line.text.lower():
            return False
        record = record_of("", "", line.when, line.text)
        return record.level >= LEVELS.get(self.level, 0) and self.trace in {"", record.trace.hex()}


def _continues(text: str, before: str) -> bool:
    """A stack's lines are indented, but for its first and its last."""
    return text[:1].isspace() or before[:1].isspace() or text.startswith("Traceback")
