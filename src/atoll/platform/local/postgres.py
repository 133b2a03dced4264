"""PostgreSQL on this machine: its data folder and its start."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, urlsplit

from atoll.platform.local.binaries import find_postgres, postgres_version
from atoll.platform.local.demotion import Demotion, demotion
from atoll.platform.local.folder import Folder, write_private
from atoll.platform.local.identity import Identity, identify
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.ports import LOOPBACK
from atoll.platform.local.probes import accepts
from atoll.platform.local.process import MARK, Launch, end
from atoll.platform.local.surroundings import of_a_part
from atoll.system import Trouble

KIND = "postgres"
ADMIN = "postgres"
_GRACE = 20.0  # seconds
_STATUS_LINE = 7  # of postmaster.pid (miscadmin.h: LOCK_FILE_LINE_PM_STATUS is the 8th)
_OWN_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "shared_buffers": "64MB",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "jit": "off",  # costs more than it gives for short statements
    "max_logical_replication_workers": "0",
    "log_checkpoints": "off",
    "log_error_verbosity": "terse",  # a row's values, and a statement's literals, do not belong in a log
    "log_min_error_statement": "panic",
    "password_encryption": "scram-sha-256",
}
_FORGETFUL = {"fsync": "off", "synchronous_commit": "off", "full_page_writes": "off"}


class OwnPostgres:
    """A server of ours, in the system's data folder."""

    kind = KIND
    ours = True

    def __init__(self, folder: Folder, port: int, connections: int, durable: bool) -> None:
        self.data = folder.postgres
        self.port = port
        self.keeper: Keeper | None = None
        self.made = False  # whether this start made the data folder
        self._folder = folder
        self._connections = connections
        self._durable = durable
        self._password = folder.secret("postgres:admin")

    @property
    def url(self) -> str:
        return f"postgresql://{LOOPBACK}:{self.port}"

    @property
    def has_data(self) -> bool:
        """Whether an earlier start made the data folder."""
        return (self.data / "PG_VERSION").exists()

    @property
    def admin_url(self) -> str:
        """With the password; not for logs or argv."""
        return f"postgresql://{ADMIN}:{self._password}@{LOOPBACK}:{self.port}/postgres"

    @property
    def remedy(self) -> str:
        """What to do when it refuses the administrator."""
        return f"{self._folder.secret_file} is not the one that this data was made with; put that one back from a copy"

    def view(self) -> PartView:
        return view(KIND, self.keeper, self.url)

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        """Make the data folder if needed, and start; returns when it takes connections."""
        program = (await asyncio.to_thread(find_postgres, _made_by(self.data))).path
        how = await asyncio.to_thread(demotion, program, self.data)
        how.prepare(self.data)
        if not self.has_data:
            await asyncio.to_thread(self._make, program, how)
            self.made = True
        version = await asyncio.to_thread(postgres_version, program)
        self._require_version(version)
        await self._make_way()
        launch = Launch(
            KIND, (*how.prefix, *self._argv(program, version)), self._environment(), self._folder.path, self._folder.log(KIND),
            stop_signal=signal.SIGINT, grace=_GRACE,
        )  # fmt: skip
        self.keeper = Keeper(Care(launch, self._ready, watch, attempts=4, before=self._make_way))
        await self.keeper.start()

    async def synced(self) -> None:
        """Returns when a data folder that this start made is on the disk for good. (initdb would do it before the start.)"""
        if self.made and self._durable:
            await asyncio.to_thread(_sync, self.data)

    def _argv(self, program: Path, version: int) -> tuple[str, ...]:
        settings = {**_OWN_SETTINGS, "port": str(self.port), "max_connections": str(self._connections)}
        if version >= 18:
            settings["io_method"] = "sync"  # no extra processes
        if not self._durable:
            settings |= _FORGETFUL
        return (
            str(program),
            "-D",
            str(self.data),
            *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
        )

    def _environment(self) -> dict[str, str]:
        return {**of_a_part(os.environ), MARK: str(self._folder.path), "LC_ALL": "C"}

    def _make(self, program: Path, how: Demotion) -> None:
        """initdb into a folder aside, renamed when whole: a start that was cut off leaves no half database."""
        aside = self.data.with_name("postgres.new")
        password = self._folder.path / "initdb.password"
        subprocess.run(("rm", "-rf", str(aside)), check=True)
        aside.mkdir(mode=0o700)
        how.prepare(aside)
        write_private(password, self._password.encode())
        if how.owner is not None:
            os.chown(password, *how.owner)
        argv = (
            *how.prefix, str(program.with_name("initdb")), "-D", str(aside), "-U", ADMIN, f"--pwfile={password}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--no-locale", "--no-instructions", "--no-sync",
        )  # fmt: skip
        try:
            done = subprocess.run(
                argv, check=False, capture_output=True, text=True, env=self._environment(), cwd=self._folder.path
            )
        finally:
            password.unlink()
        if done.returncode != 0:
            raise _initdb_trouble(self.data, done.stdout + done.stderr)
        aside.rename(self.data)

    def _require_version(self, version: int) -> None:
        made_by = _made_by(self.data)
        if made_by != version:
            raise Trouble(
                f"{self.data} was made by PostgreSQL {made_by}, and the program found is {version}; "
                f"put PostgreSQL {made_by} on PATH, or move the folder away to begin with empty data"
            )

    async def _make_way(self) -> None:
        """End a server that an earlier supervisor left on this data, and take its lock away once nothing works on the data.

        PostgreSQL itself refuses a lock whose pid exists, though that may be a zombie that nobody collects (in a container),
        or, after a reboot, another program.
        """
        lock = self.data / "postmaster.pid"
        lines = _lines(lock)
        if not lines or not lines[0].isdigit() or not _exists(int(lines[0])):
            return  # no lock, or one that PostgreSQL sees to
        holder = identify(int(lines[0]))
        if holder is not None and _works_on(holder.pid, self.data):
            await end(holder, signal.SIGINT, _GRACE)
        for left in await asyncio.to_thread(_working_in, self.data):
            await end(left, signal.SIGQUIT, _GRACE)  # a server process whose postmaster was killed
        lock.unlink(missing_ok=True)

    async def _ready(self) -> bool:
        # The server itself says so here; pg_ctl looks at the same line.
        lines = _lines(self.data / "postmaster.pid")
        of_ours = self.keeper is not None and lines[:1] == [str(self.keeper.pid)]
        return of_ours and len(lines) > _STATUS_LINE and lines[_STATUS_LINE].strip() == "ready"


class GivenPostgres:
    """A server whose address the model gives."""

    kind = KIND
    ours = False
    keeper: Keeper | None = None
    has_data = True
    remedy = "correct the address in system.py"

    def __init__(self, address: str, place: str) -> None:
        self.admin_url = address
        self._place = place
        parts = urlsplit(address)
        self.host, self.port = parts.hostname or LOOPBACK, parts.port or 5432

    @property
    def url(self) -> str:
        return f"postgresql://{self.host}:{self.port}"

    def view(self) -> PartView:
        return view(KIND, None, self.url)

    async def start(self, _: Callable[[Keeper], None]) -> None:
        """Only look whether it is there."""
        await self.look()

    async def look(self) -> None:
        """Trouble if it is not reachable."""
        if not await accepts(self.host, self.port):
            what = f"the given PostgreSQL at {self.host}:{self.port} is not reachable"
            raise Trouble(f"{self._place}: {what}; start it, correct the address, or use --isolated")

    async def synced(self) -> None:
        """Its owner sees to that."""


def database_url(server: OwnPostgres | GivenPostgres, name: str, password: str) -> str:
    """The URL that a service gets: its own role on its own database."""
    parts = urlsplit(server.admin_url)
    query = f"?{parts.query}" if parts.query else ""
    return f"postgresql://{quote(name)}:{password}@{parts.hostname}:{parts.port or 5432}/{quote(name)}{query}"


def _made_by(data: Path) -> int:
    """The major version that made the data; 0 if there is none."""
    lines = _lines(data / "PG_VERSION")
    return int(lines[0]) if lines and lines[0].isdigit() else 0


def _sync(folder: Path) -> None:
    for path in (folder, *folder.rglob("*")):
        try:
            handle = os.open(path, os.O_RDONLY)
        except FileNotFoundError:
            continue  # a temporary file of the running server
        try:
            os.fsync(handle)
        finally:
            os.close(handle)


def _initdb_trouble(data: Path, said: str) -> Trouble:
    if "No space left" in said:
        return Trouble(f"{data}: no space left on the disk; free some and run it again (nothing is lost)")
    lines = [
        line for line in said.splitlines() if "error" in line.lower() or "fatal" in line.lower()
    ] or said.splitlines()[-1:]
    return Trouble(
        f"PostgreSQL could not make {data}: {' '.join(lines[:1])}; correct that and run it again",
        tuple(said.splitlines()[-10:]),
    )


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("utf-8", "replace").splitlines()
    except FileNotFoundError:
        return []


def _exists(pid: int) -> bool:
    """As PostgreSQL asks: a zombie exists, and so does another user's process."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _works_on(pid: int, data: Path) -> bool:
    import psutil

    try:
        return str(data) in psutil.Process(pid).cmdline()
    except psutil.Error:
        return False


def _working_in(data: Path) -> list[Identity]:
    """The processes whose working folder is the data folder, as every process of a PostgreSQL server's is."""
    import psutil

    found = []
    for process in psutil.process_iter():
        try:
            if process.cwd() == str(data) and (identity := identify(process.pid)) is not None:
                found.append(identity)
        except (psutil.Error, OSError):
            continue  # gone meanwhile, or another user's
    return found
