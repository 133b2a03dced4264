"""A PostgreSQL that many runs of pytest use one after the other: starting one takes longer than most tests."""

from __future__ import annotations

import secrets
import shutil
from urllib.parse import urlsplit

from atoll.testing import PostgresServer

VARIABLE = "ATOLL_TEST_POSTGRES"  # the URL of any database of it, as its administrator


class LentPostgres(PostgresServer):
    """The server at the URL. It was started elsewhere, and is stopped there."""

    def __init__(self, url: str) -> None:
        super().__init__()
        parts = urlsplit(url)
        assert parts.port is not None, f"{VARIABLE}: a URL with a port"
        assert parts.password is not None, f"{VARIABLE}: a URL with a password"
        self.port, self._password = parts.port, parts.password
        self._names = secrets.randbelow(2**31)  # others have databases there

    def start(self) -> None:
        """It runs."""

    def remove(self) -> None:
        """It goes on to run."""
        shutil.rmtree(self.folder, ignore_errors=True)
