"""The data folder ``.atoll/`` beside system.py: its lock, the state that outlives the supervisor, and the secrets."""

from __future__ import annotations

import errno
import fcntl
import hashlib
import hmac
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec

from atoll.platform.local.identity import Identity
from atoll.system import Trouble

NAME = ".atoll"


class Recorded(msgspec.Struct, frozen=True):
    """A process of the system, as the state file keeps it. kind: ``service`` or the kind of a part."""

    kind: str
    identity: Identity


class State(msgspec.Struct):
    """What the next command must know. ports, migrated and stable stay when nothing runs; the rest is empty then.

    control: base URL of the supervisor's HTTP API. migrated: service -> fingerprint of the migrations that its database has
    (``service@release``: of that release). stable: service -> the release that `up` runs; where it says nothing, the tree.
    """

    system: str = ""
    supervisor: Identity | None = None
    control: str = ""
    processes: dict[str, Recorded] = {}
    ports: dict[str, int] = {}
    migrated: dict[str, str] = {}
    stable: dict[str, str] = {}


class Folder:
    """``.atoll`` beside a system.py. Made by `create`; every file in it that holds a secret has mode 0600."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.logs = path / "logs"
        self.postgres = path / "postgres"
        self.gateway = path / "gateway"
        self.rollouts = path / "rollouts"
        self._state = path / "state.json"
        self.secret_file = path / "secret"
        self._lock = path / "lock"

    @classmethod
    def beside(cls, system_file: Path) -> Folder:
        return cls(system_file.parent / NAME)

    def create(self) -> None:
        """Make the folder and its secret if they are not there. Trouble if there is data of a secret that was lost."""
        with full_disk(self.path):
            self.path.mkdir(mode=0o700, exist_ok=True)
            self.logs.mkdir(mode=0o700, exist_ok=True)
            (self.path / ".gitignore").write_text("*\n", "utf-8")
            if not self.secret_file.exists():
                self._require_no_data()
                write_private(self.secret_file, secrets.token_hex(32).encode())

    def _require_no_data(self) -> None:
        if self.postgres.exists():
            raise Trouble(
                f"{self.secret_file} is lost, and the passwords of the data in {self.postgres} came from it; "
                f"put it back from a copy, or remove {self.path} to begin with empty data"
            )

    def data_of(self, part: str) -> Path:
        """The folder of a part's data."""
        return self.path / part

    def log(self, name: str) -> Path:
        return self.logs / f"{name}.log"

    def secret(self, purpose: str) -> str:
        """The secret for a purpose, the same on each start. All derive from one random key, so only that has to be kept."""
        try:
            key = bytes.fromhex(self.secret_file.read_text("ascii"))
        except (OSError, ValueError):
            key = b""
        if len(key) != 32:
            raise Trouble(
                f"{self.secret_file} is damaged; put it back from a copy, or remove {self.path} to begin with empty data"
            )
        return hmac.new(key, purpose.encode(), hashlib.sha256).hexdigest()

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Hold the folder for this process; refused while another supervisor has it. The kernel frees it if we die."""
        handle = os.open(self._lock, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                running = f"the system runs already (pid {self.holder() or '?'})"
                advice = "look with 'atoll ps', or end it with 'atoll down'"
                raise Trouble(f"{self.path.parent}: {running}; {advice}") from None
            os.ftruncate(handle, 0)
            os.pwrite(handle, str(os.getpid()).encode(), 0)
            yield
            os.ftruncate(handle, 0)
        finally:
            os.close(handle)

    def holder(self) -> int:
        """The pid of the supervisor that has the lock; 0 if it is not known. Meaningful only while the folder is locked."""
        try:
            text = self._lock.read_text("ascii").strip()
        except OSError:
            return 0
        return int(text) if text.isdigit() else 0

    def is_locked(self) -> bool:
        """Whether a supervisor holds the folder now."""
        if not self._lock.exists():
            return False
        handle = os.open(self._lock, os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        finally:
            os.close(handle)
        return False

    def read_state(self) -> State:
        """The state as last written; an empty one if there is none. Trouble if the file cannot be understood."""
        try:
            return msgspec.json.decode(self._state.read_bytes(), type=State)
        except FileNotFoundError:
            return State()
        except (msgspec.DecodeError, UnicodeDecodeError, IsADirectoryError) as error:
            raise Trouble(
                f"{self._state} is damaged ({error}); run 'atoll up' to make it anew (no data is lost)"
            ) from None

    def has_state(self) -> bool:
        """Whether there is a state file, good or damaged."""
        return self._state.exists()

    def write_state(self, state: State, *, durable: bool = False) -> None:
        """durable: where it says what a power cut must not undo (a stable release), and not only what runs now."""
        write_private(self._state, msgspec.json.format(msgspec.json.encode(state), indent=2), durable=durable)

    def put_state_aside(self) -> Path:
        """Keep a damaged state file under another name, out of the way."""
        return self._state.rename(self._state.with_suffix(".damaged.json"))


def write_private(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Replace the file at once, mode 0600: a reader sees the old or the new content, never a part. Trouble leaves the old.

    durable: a power cut leaves the old or the new content too; not needed for what means nothing after one.
    """
    with full_disk(path.parent):
        temporary = path.with_name(f"{path.name}.new")
        try:
            _write(temporary, content, durable=durable)
        except OSError:
            temporary.unlink(missing_ok=True)  # half a file only takes the space that is missing
            raise
        temporary.replace(path)
        if durable:
            sync_folder(path.parent)


def _write(path: Path, content: bytes, *, durable: bool) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        _write_all(handle, content)
        if durable:
            os.fsync(handle)
    finally:
        os.close(handle)


def _write_all(handle: int, content: bytes) -> None:
    """A disk that is nearly full takes a part, and says so only when it is given the rest."""
    left = memoryview(content)
    while left:
        left = left[os.write(handle, left) :]


def sync_folder(folder: Path) -> None:
    """A new name in it lasts."""
    handle = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextmanager
def full_disk(path: Path) -> Iterator[None]:
    """Say a full or read-only disk in one line."""
    try:
        yield
    except OSError as error:
        if error.errno in {errno.ENOSPC, errno.EDQUOT}:
            raise Trouble(f"{path}: no space left on the disk; free some and run it again (nothing is lost)") from None
        if error.errno in {errno.EACCES, errno.EPERM, errno.EROFS}:
            raise Trouble(f"{path}: {error.strerror}; make the folder writable for this user") from None
        raise
