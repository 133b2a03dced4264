"""A small system of foreign programs, brought up by the real command: a program and an ASGI application behind the gateway."""

from __future__ import annotations

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

SYSTEM = """
from atoll.contracts import RateLimit
from atoll.system import Gateway, Nats, Postgres, Route, Service, System

system = System(
    "demo",
    services=(
        Service("web", asgi="webapp:app", source="web", calls=("raw",), database=True, events=True),
        Service("raw", command=("python", "server.py"), source="raw", instances=2, database=True),
    ),
    gateway=Gateway(port=8080, rate_limit=RateLimit(1_000_000), routes=(
        Route("/web", to="web", public=True),
        Route("/raw", to="raw", public=True),
    )),
    postgres=Postgres(),
    broker=Nats(),
    hints=("curl {gateway}/web/environment",),
)
"""

WEB = """
import json, os

VERSION = 1

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    known = scope["path"] in {"/environment", "/version"}
    body = VERSION if scope["path"] == "/version" else dict(os.environ)
    await send({"type": "http.response.start", "status": 200 if known else 404, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""

RAW = """
import json, os, http.server

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        body = json.dumps(dict(os.environ)).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

http.server.ThreadingHTTPServer((os.environ["ATOLL_HOST"], int(os.environ["ATOLL_PORT"])), Handler).serve_forever()
"""


class Demo:
    """One checkout of the demo system. prefix: goes before the command (to run it as somebody else)."""

    def __init__(self, folder: Path, prefix: Sequence[str] = (), system: str = SYSTEM) -> None:
        self.folder = folder
        self.prefix = tuple(prefix)
        self.write("system.py", system)
        self.write("web/src/webapp.py", WEB)
        self.write("raw/server.py", RAW)

    def write(self, name: str, text: str) -> None:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(textwrap.dedent(text), "utf-8")

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            self.argv(*arguments), cwd=self.folder, capture_output=True, text=True, timeout=60, check=False
        )

    def argv(self, *arguments: str) -> tuple[str, ...]:
        return (*self.prefix, sys.executable, "-m", "atoll", *arguments)

    def json(self, *arguments: str) -> Any:
        done = self.run(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    def up(self, *arguments: str) -> dict[str, Any]:
        status: dict[str, Any] = self.json("up", "-d", "--isolated", *arguments)
        return status

    def supervisor(self) -> int:
        return int((self.folder / ".atoll/lock").read_text("ascii"))


def get(url: str) -> tuple[int, Any]:
    """(status, JSON) of a GET."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=5)
    try:
        connection.request("GET", parts.path)
        response = connection.getresponse()
        body = response.read()
        return response.status, json.loads(body) if body else None
    finally:
        connection.close()


def answers(url: str) -> bool:
    """Whether a GET answers 200 now."""
    try:
        return get(url)[0] == 200
    except (OSError, http.client.HTTPException, ValueError):
        return False


def eventually(condition: Callable[[], object], seconds: float = 20.0) -> None:
    """Until the condition holds; an assertion error after that time."""
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not happen in time"
        time.sleep(0.02)


def processes(status: dict[str, Any]) -> dict[str, int]:
    """name -> pid of everything in the status."""
    found = {name: part["pid"] for name, part in status["parts"].items()}
    for service in status["services"].values():
        found |= {instance["instance"]: instance["pid"] for instance in service["instances"]}
    return found


def ports(status: dict[str, Any]) -> list[int]:
    urls = [part["url"] for part in status["parts"].values()]
    urls += [instance["url"] for service in status["services"].values() for instance in service["instances"]]
    return [port for url in urls if (port := urlsplit(url).port)]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return not Path(f"/proc/{pid}/stat").exists() or ") Z " not in Path(f"/proc/{pid}/stat").read_text("utf-8")


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def kill(pid: int) -> None:
    os.kill(pid, signal.SIGKILL)


def assert_nothing_left(demo: Demo, status: dict[str, Any]) -> None:
    """No process, no port, no socket file."""
    assert [name for name, pid in processes(status).items() if alive(pid)] == []
    assert [port for port in ports(status) if listens(port)] == []
    assert [path for path in (demo.folder / ".atoll").rglob("*") if path.is_socket()] == []
    assert marked_processes(demo.folder / ".atoll") == []


def marked_processes(home: Path) -> list[int]:
    from atoll.platform.local.identity import marked

    return [identity.pid for identity in marked("ATOLL_HOME", str(home))]
