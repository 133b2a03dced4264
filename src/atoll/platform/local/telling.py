"""What the supervisor says while it works, each thing once."""

from __future__ import annotations

import time

from atoll.platform.local.progress import Progress, Report, Stage
from atoll.system import Trouble


class Teller:
    """Turns what happens into `Progress`, with the seconds since it was made."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._began = time.monotonic()
        self._told: dict[str, Stage] = {}

    def tell(self, name: str, stage: Stage, text: str = "") -> None:
        """Each stage once: a process enters "starting" before and after it has a pid."""
        if stage != "note" and self._told.get(name) == stage:
            return
        self._told[name] = stage
        self._report(Progress(name, stage, time.monotonic() - self._began, text))

    def note(self, name: str, text: str) -> None:
        """Something worth knowing that is no stage of ``name``."""
        self.tell(name, "note", text)

    def failure(self, name: str, error: Exception, advice: str = "") -> None:
        """A failure that the system goes on with. advice: put after it."""
        what = str(error) if isinstance(error, Trouble) else f"{type(error).__name__}: {error}"
        self.note(name, f"{what}{advice}")
