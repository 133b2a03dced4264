"""`Turn`: which of several dashboards on one store fetches what it fetches by itself. It ends with its process."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path


class Turn:
    """A lock of the file at ``path``, which is made."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._file = -1

    def taken(self) -> bool:
        """Takes it, if nobody else has it. OSError where the file cannot be made."""
        if self._file < 0:
            file = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(file)
                return False
            self._file = file
        return True

    def give_up(self) -> None:
        """The next one may take it."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1
