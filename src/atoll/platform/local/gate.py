"""Lets a process start, and import what it needs, before it may begin: the imports overlap with the start of the parts."""

from __future__ import annotations

import os

VARIABLE = "ATOLL_GATE"  # the file descriptor to read; at its end the process begins


class Gate:
    """Closed until `open`; processes behind it wait at its reading end. It opens by itself when the supervisor dies."""

    def __init__(self) -> None:
        self._reading, self._writing = os.pipe()
        self.is_open = False

    @property
    def reading(self) -> int:
        """The descriptor to pass on; meaningful only while the gate is closed."""
        return self._reading

    def open(self) -> None:
        """Let everything begin that waits here."""
        if not self.is_open:
            self.is_open = True
            os.close(self._writing)
            os.close(self._reading)
