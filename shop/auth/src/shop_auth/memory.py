"""Memory of password hashes goes back to the system: 19 MiB each, which glibc would keep for each thread for ever."""

from __future__ import annotations

import ctypes
import sys
from typing import Any

M_ARENA_MAX = -8  # malloc.h of glibc


def share_arena() -> None:
    """Makes threads share one heap, whose free memory can be given back. Call it before there are threads."""
    if (mallopt := _glibc("mallopt")) is not None:
        mallopt(M_ARENA_MAX, 1)


def give_back() -> None:
    """Returns free memory to the system; takes a few milliseconds."""
    if (trim := _glibc("malloc_trim")) is not None:
        trim(0)


def _glibc(name: str) -> Any:
    """None where the C library is another one: it has its own ways."""
    return getattr(ctypes.CDLL(None), name, None) if sys.platform == "linux" else None
