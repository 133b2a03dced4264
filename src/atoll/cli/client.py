"""The command line's side of the supervisor's HTTP API."""

from __future__ import annotations

import http.client
import json
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from atoll.platform.local.folder import Folder
from atoll.platform.local.identity import is_alive
from atoll.system.trouble import Trouble

ANSWER_LIMIT = 120.0  # seconds; a restart waits until the new instances are ready


class NotRunning(Trouble):
    """There is no supervisor, so nothing was asked of it."""


class Unanswered(Trouble):
    """Whether the supervisor did what it was asked is not known: it went away, or hangs."""


class Client:
    """Talks to the supervisor of the system beside ``file``."""

    def __init__(self, file: Path) -> None:
        self.folder = Folder.beside(file)

    @property
    def runs(self) -> bool:
        """Whether a supervisor holds the folder."""
        return self.folder.path.exists() and self.folder.is_locked()

    def require_running(self) -> None:
        if self.runs:
            return
        where = self.folder.path.parent
        if left := self.left_over():
            processes = "one process goes on" if left == 1 else f"{left} processes go on"
            raise NotRunning(
                f"{where}: the supervisor is gone, and {processes}; "
                "run 'atoll up' to begin anew on the same data, or 'atoll down' to end them"
            )
        raise NotRunning(f"{where}: the system does not run; start it with 'atoll up'")

    def left_over(self) -> int:
        """How many processes of an earlier supervisor still run."""
        if not self.folder.path.exists():
            return 0
        return sum(is_alive(record.identity) for record in self.folder.read_state().processes.values())

    def status(self) -> dict[str, Any]:
        return self.call("GET", "/v1/status")

    def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """The answer; Trouble with the supervisor's own line when it refuses."""
        self.require_running()
        control = urlsplit(self.folder.read_state().control)
        if not control.hostname:
            raise Trouble("the system is still starting; wait with 'atoll wait'")
        connection = http.client.HTTPConnection(control.hostname, control.port or 80, timeout=ANSWER_LIMIT)
        headers = {"authorization": f"Bearer {self.folder.secret('control')}"}
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            response = connection.getresponse()
            answer: dict[str, Any] = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise Unanswered(
                f"the supervisor does not answer ({error}); look at {self.folder.log('supervisor')}"
            ) from None
        finally:
            connection.close()
        if response.status != 200:
            said = str(answer.get("error", f"the supervisor answered {response.status}"))
            raise Trouble(said, tuple(map(str, answer.get("details", ()))))
        return answer
