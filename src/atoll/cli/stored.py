"""What the dashboard stored, for the verbs that show it on the command line; it is there whether or not anything runs."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from atoll.system.trouble import Trouble

if TYPE_CHECKING:
    from pathlib import Path

    from atoll.platform.dashboard import Reader


@contextmanager
def reading(file: Path) -> Iterator[Reader]:
    """The store beside system.py, to ask. Trouble where there is none, and for a question that is wrong."""
    from atoll.cli.dashboard.verb import FILE
    from atoll.platform.dashboard import Reader
    from atoll.platform.dashboard.asking import Unknown, Wrong
    from atoll.platform.local.folder import Folder

    store = Reader(Folder.beside(file).path / FILE)
    try:
        if not store.readable():
            raise Trouble(f"{file}: no telemetry is stored yet; start the system with 'atoll up'")
        yield store
    except (Unknown, Wrong) as error:
        raise Trouble(str(error)) from None
    except sqlite3.Error as error:
        raise Trouble(f"{store.path} cannot be read: {error}") from None
    finally:
        store.close()
