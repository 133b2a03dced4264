"""Free ports of the loopback, remembered so that an address stays the same from one start to the next."""

from __future__ import annotations

import random
import shutil
import socket
import sys
from pathlib import Path

from atoll.system import Trouble

LOOPBACK = "127.0.0.1"
# Below the range from which Linux (32768) and macOS (49152) take the ports of outgoing connections.
_FIRST, _LAST = 20_000, 32_000
_TRIES = 200


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen there now."""
    with socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


class Ports:
    """Which port each name has. remembered: from the last run, changed in place."""

    def __init__(self, remembered: dict[str, int]) -> None:
        self.remembered = remembered

    def take(self, name: str) -> int:
        """The port that ``name`` had before if it is free, else another free one."""
        port = self.remembered.get(name, 0)
        if not port or not is_free(port):
            port = self.remembered[name] = self._another()
        return port

    def _another(self) -> int:
        taken = set(self.remembered.values())
        for _ in range(_TRIES):
            port = random.randint(_FIRST, _LAST)
            if port not in taken and is_free(port):
                return port
        raise Trouble(f"no free port between {_FIRST} and {_LAST} on {LOOPBACK}; end something that listens there")


def require_free(port: int, host: str, what: str) -> None:
    """Refuse a port in use, and say whose it is."""
    if port < 1024 and sys.platform == "linux" and not _may_bind(port, host):
        raise Trouble(f"{what}: port {port} needs root; run '{command()} up --port 8080'")
    if not is_free(port, host):
        say = command()
        raise Trouble(
            f"{what}: port {port} is in use{_holder(port)}; end that, or run "
            f"'{say} up --port {_free_after(port, host)}' or '{say} up --isolated'"
        )


def _free_after(port: int, host: str) -> int:
    return next((other for other in range(port + 1, min(port + 100, 65_536)) if is_free(other, host)), 0)


def command() -> str:
    """How this very ``atoll`` is called from the working folder, however it was started (by make, say)."""
    script = Path(sys.executable).with_name("atoll")
    on_path = shutil.which("atoll")
    if on_path is not None and Path(on_path).absolute() == script.absolute():
        return "atoll"
    if not script.is_file():
        return f"{sys.executable} -m atoll"
    return str(script.relative_to(Path.cwd()) if script.is_relative_to(Path.cwd()) else script)


def _may_bind(port: int, host: str) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            return False
        except OSError:
            return True
    return True


def _holder(port: int) -> str:
    import psutil

    try:
        for connection in psutil.net_connections("tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr[1:] == (port,) and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (pid {connection.pid})"
    except (psutil.Error, OSError):
        return ""  # other users' sockets don't show without root
    return ""
