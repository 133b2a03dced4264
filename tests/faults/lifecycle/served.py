"""One service as a process, as whoever has no platform runs it; and a registry that writes down who leaves, and when."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.system.calls import Answer, call
from tests.system.local_system import REPOSITORY, clean_environment
from tests.system.waiting import until

READY_WITHIN = 60.0  # seconds


class Served:
    """A running ``atoll serve``. log: what it writes."""

    def __init__(self, target: str, port: int, variables: Mapping[str, str], log: Path) -> None:
        self.url = f"http://127.0.0.1:{port}"
        self.log = log
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, "-m", "atoll", "serve", target],
                cwd=REPOSITORY, env={**clean_environment(), **variables, "ATOLL_PORT": str(port)}, stdout=output, stderr=output,
            )  # fmt: skip

    def page(self, name: str) -> Answer | None:
        """A health page; None if nobody listens."""
        try:
            return call(self.url, "GET", f"/health/{name}", timeout=5)
        except OSError:
            return None

    def is_ready(self) -> bool:
        answer = self.page("ready")
        return answer is not None and answer.status == 200

    def wait_until_ready(self) -> None:
        until(self.is_ready, within=READY_WITHIN, what=f"{self.url} is ready\n{self.said()}", pause=0.05)

    def said(self) -> str:
        return self.log.read_text("utf-8", "replace")

    def end(self) -> None:
        """Whatever state it is in."""
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()


@contextmanager
def registry(left: Callable[[str], None]) -> Iterator[str]:
    """The URL of a registry that knows nobody. left: told of each path that is deleted."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._answer({"version": 1, "endpoints": []})

        def do_DELETE(self) -> None:
            left(self.path)
            self._answer({})

        def log_message(self, *_: object) -> None:
            """Nothing."""

        def _answer(self, body: object) -> None:
            content = json.dumps(body).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def import_path(*folders: Path) -> str:
    return os.pathsep.join(str(folder) for folder in (*folders, REPOSITORY))
