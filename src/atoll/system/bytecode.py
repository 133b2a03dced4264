"""Python's cached bytecode of files that have just changed: it can be stale, and then the old code would run.

Python takes a cached file for good while the source has the same size and the same modification time in whole seconds, so a
second edit of the same length within one second does not show.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import cache_from_source
from pathlib import Path
from types import ModuleType

_MARGIN = 2_000_000_000  # ns: a whole second for the source's time, and one for the time that compiling takes


def forget(sources: Iterable[Path]) -> None:
    """Remove the cached bytecode of these files; those that are no Python, or have none, are passed over."""
    for source in sources:
        if source.suffix == ".py":
            for cached in _cached(source):
                cached.unlink(missing_ok=True)


@contextmanager
def fresh_imports(folder: Path) -> Iterator[None]:
    """Within it, a module from below ``folder`` is imported from source if its file had just changed when it was cached."""
    finder = _Finder(folder)
    known = sys.meta_path.index(PathFinder) if PathFinder in sys.meta_path else len(sys.meta_path)
    sys.meta_path.insert(known, finder)
    try:
        yield
    finally:
        sys.meta_path.remove(finder)


class _Finder:
    """Finds what the ordinary finder finds, and makes sure that its bytecode is not stale."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        spec = PathFinder.find_spec(name, path, target)
        if spec is not None and spec.origin is not None and spec.has_location:
            source = Path(spec.origin)
            own = source.is_relative_to(self._folder) and "site-packages" not in source.parts
            if own and _in_doubt(source):
                forget((source,))
        return spec


def _in_doubt(source: Path) -> bool:
    """Whether the bytecode was written so soon after the source that a later edit may look the same."""
    changed = source.stat().st_mtime_ns
    return any(cached.exists() and cached.stat().st_mtime_ns - changed < _MARGIN for cached in _cached(source))


def _cached(source: Path) -> Iterator[Path]:
    for optimization in ("", "1", "2"):
        yield Path(cache_from_source(str(source), optimization=optimization))
