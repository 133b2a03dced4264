"""Where the user wrote a node of the model."""

from __future__ import annotations

import sys
from pathlib import Path


def place() -> str:
    """``system.py:31``: where the user wrote the node that is being made, for messages that name the place.

    The dataclasses' own ``__init__`` counts as this room.
    """
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__", "").startswith(("atoll.system", "dataclasses")):
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"
