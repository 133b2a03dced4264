"""What a disk may refuse, said in one line."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from atoll.system import Trouble


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Trouble for a full or read-only disk, or a file in the way, within it; ``path`` is named."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise no_space(path) from None
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise Trouble(f"{path}: {error.strerror}; make the folder writable for this user") from None
        if error.errno in {errno.EEXIST, errno.ENOTDIR}:
            raise Trouble(f"{path}: {error.filename} is a file in the way of a folder; remove it") from None
        raise


def no_space(path: Path) -> Trouble:
    """That the disk is full."""
    return Trouble(f"{path}: no space left on the disk; free some and build again (no release was changed)")
