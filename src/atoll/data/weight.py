"""`Weight`: how much of the work that instances share is for this one."""

from __future__ import annotations

from collections.abc import Callable

DEFAULT_WEIGHT = 100
MOST_WEIGHT = 2**17 - 1


class Weight:
    """A number that may change at any time, relative to the other instances'; 0 takes no share."""

    def __init__(self, value: int = DEFAULT_WEIGHT) -> None:
        self.value = value
        self._watchers: list[Callable[[], None]] = []

    def set(self, value: int) -> None:
        """What it is from now on, from 0 to `MOST_WEIGHT`."""
        value = min(max(value, 0), MOST_WEIGHT)
        if value != self.value:
            self.value = value
            for watcher in self._watchers:
                watcher()

    def on_change(self, watcher: Callable[[], None]) -> None:
        """``watcher`` is called after each change."""
        self._watchers.append(watcher)
