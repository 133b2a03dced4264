"""A system on this machine, driven by its command line as a user drives it, in a folder of its own."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from tests.system.waiting import until

REPOSITORY = Path(__file__).resolve().parents[2]
ATOLL = Path(sys.executable).parent / "atoll"
START_LIMIT = 90.0  # seconds; a guard, it takes a few
STOP_LIMIT = 60.0


def copy_of_shop(folder: Path) -> Path:
    """The shop's files in ``folder``, as a second checkout has them."""
    ignore = shutil.ignore_patterns(".atoll", "__pycache__", "*.egg-info", "dist")
    return Path(shutil.copytree(REPOSITORY / "shop", folder / "shop", ignore=ignore))


def clean_environment() -> dict[str, str]:
    """This process's environment without what the platform would take for its own."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ATOLL_")}


@dataclass
class LocalSystem:
    """folder: where system.py is. broker: its kind; empty: the one of system.py. status: what the last `up` or `ps` printed."""

    folder: Path
    broker: str = ""
    dashboard: bool = False
    status: dict[str, Any] = field(default_factory=dict)
    variables: dict[str, str] = field(default_factory=dict)  # beside the environment

    def atoll(self, *arguments: str, limit: float = STOP_LIMIT) -> subprocess.CompletedProcess[str]:
        """Runs one command on this system, from its folder."""
        return subprocess.run(
            [str(ATOLL), *arguments, "--system", str(self.folder / "system.py")],
            cwd=self.folder, env=clean_environment() | self.variables, capture_output=True, text=True, timeout=limit, check=False,
        )  # fmt: skip

    def must(self, *arguments: str, limit: float = STOP_LIMIT) -> str:
        """What the command printed; it has to succeed."""
        done = self.atoll(*arguments, limit=limit)
        assert done.returncode == 0, f"atoll {' '.join(arguments)}: {done.stdout}{done.stderr}\n{self.logs()}"
        return done.stdout

    def up(self) -> LocalSystem:
        """Starts it detached, on free ports; returns when all is ready."""
        which = ("--broker", self.broker) if self.broker else ()
        board = () if self.dashboard else ("--no-dashboard",)
        options = ("-d", "--isolated", "--no-watch", "--json", *which, *board)
        self.status = json.loads(self.must("up", *options, limit=START_LIMIT))
        return self

    def down(self) -> None:
        self.must("down")

    def look(self) -> dict[str, Any]:
        """The status of now."""
        self.status = json.loads(self.must("ps", "--json"))
        return self.status

    @property
    def gateway(self) -> str:
        return str(self.status["gateway"])

    def url(self, service: str) -> str:
        """The base URL of the service's first instance."""
        return str(self.status["services"][service]["instances"][0]["url"])

    def pid(self, name: str) -> int:
        """The process of a part, of a service's first instance, or of the supervisor."""
        if name == "supervisor":
            return int(json.loads((self.folder / ".atoll" / "state.json").read_text())["supervisor"]["pid"])
        if name in self.status["services"]:
            return int(self.status["services"][name]["instances"][0]["pid"])
        return int(self.status["parts"][name]["pid"])

    def environment(self, service: str) -> dict[str, str]:
        """What the platform told the service's first instance."""
        return psutil.Process(self.pid(service)).environ()

    def peer_header(self, peer: str, service: str) -> dict[str, str]:
        """What ``peer`` shows when it calls ``service``."""
        return {"atoll-peer": f"{peer}:{json.loads(self.environment(service)['ATOLL_PEERS'])[peer]}"}

    def wait_for_new(self, name: str, old_pid: int) -> None:
        """Until the part or service has another process, and all is ready."""
        until(lambda: self._pid_now(name) not in (0, old_pid), within=START_LIMIT, what=f"a new {name}", pause=0.1)
        self.must("wait", "--timeout", "60")
        self.look()

    def _pid_now(self, name: str) -> int:
        self.look()
        status = self.status["services"].get(name, {}).get("instances") or [self.status["parts"].get(name, {})]
        return int(status[0].get("pid") or 0)

    def processes(self) -> dict[int, str]:
        """Every living process that belongs to this folder, by the folder's path in its environment or command line."""
        found = {}
        for process in psutil.process_iter():
            try:
                words = [*process.cmdline(), *process.environ().values()]
            except (psutil.NoSuchProcess, psutil.AccessDenied, psutil.ZombieProcess):
                continue
            if process.pid != os.getpid() and any(str(self.folder / ".atoll") in word for word in words):
                found[process.pid] = " ".join(process.cmdline())
        return found

    def ports(self) -> set[int]:
        """The TCP ports that its processes listen on."""
        return {port for _, port in self.listening()}

    def listening(self) -> set[tuple[str, int]]:
        """The addresses and TCP ports that its processes listen on; those that end meanwhile are left out."""
        listening = set()
        for pid in self.processes():
            try:
                connections = psutil.Process(pid).net_connections("tcp")
            except (psutil.NoSuchProcess, psutil.AccessDenied):
                continue
            listening |= {(one.laddr.ip, one.laddr.port) for one in connections if one.status == psutil.CONN_LISTEN}
        return listening

    def logs(self) -> str:
        """The last lines of each log, for a failure's report."""
        folder = self.folder / ".atoll" / "logs"
        if not folder.is_dir():
            return ""
        return "\n".join(
            f"--- {log.name}\n" + "\n".join(log.read_text("utf-8", errors="replace").splitlines()[-15:])
            for log in sorted(folder.glob("*.log"))
            if log.name != "access.log"
        )
