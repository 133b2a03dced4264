"""How PostgreSQL is started when we are root: in a user namespace, else as another user."""

from __future__ import annotations

import os
import pwd
import stat
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from atoll.platform.local import unprivileged
from atoll.system import Trouble


@dataclass(frozen=True, slots=True)
class Demotion:
    """prefix: goes before the argv. owner: (uid, gid) that the data folder must belong to; None leaves it as it is."""

    prefix: tuple[str, ...] = ()
    owner: tuple[int, int] | None = None

    def prepare(self, folder: Path) -> None:
        """Give the data folder, if it is there, to the user that PostgreSQL runs as."""
        if self.owner is None or not folder.exists():
            return
        for path in (folder, *folder.rglob("*")):
            os.chown(path, *self.owner, follow_symlinks=False)


def demotion(program: Path, data: Path) -> Demotion:
    """How to start ``program`` on ``data`` as this user; Trouble when root has no way to."""
    if os.geteuid() != 0:
        return Demotion()
    user = _somebody()
    if _namespaces_work(user):
        return Demotion(_prefix("namespace", user), _back_to_root(data))
    blocked = _first_blocked(program) or _first_blocked(data.parent.parent)
    if blocked is not None:
        why = f"user namespaces are not allowed here, and {user.pw_name!r} may not pass {blocked}"
        raise Trouble(f"PostgreSQL does not run as root, {why}; run atoll as a normal user, or chmod o+x {blocked}")
    data.parent.chmod(0o711)  # its files keep their own modes
    return Demotion(_prefix("switch", user), (user.pw_uid, user.pw_gid))


def _back_to_root(data: Path) -> tuple[int, int] | None:
    """A data folder that an earlier ``switch`` gave away is taken back."""
    return (0, 0) if data.exists() and data.stat().st_uid != 0 else None


def _somebody() -> pwd.struct_passwd:
    """A user other than root that has a name (initdb looks it up); one without rights, if there is one."""
    users = {user.pw_name: user for user in pwd.getpwall() if user.pw_uid != 0}
    for name in ("postgres", "nobody"):
        if name in users:
            return users[name]
    if not users:
        raise Trouble(
            "PostgreSQL does not run as root, and there is no other user on this machine; add one (useradd postgres)"
        )
    return next(iter(users.values()))


def _prefix(how: str, user: pwd.struct_passwd) -> tuple[str, ...]:
    return (sys.executable, "-I", "-S", unprivileged.__file__, how, str(user.pw_uid), str(user.pw_gid))


def _namespaces_work(user: pwd.struct_passwd) -> bool:
    if sys.platform != "linux":
        return False
    argv = (*_prefix("namespace", user), "/bin/sh", "-c", ":")
    return subprocess.run(argv, check=False, capture_output=True).returncode == 0


def _first_blocked(path: Path) -> Path | None:
    """The first folder on the way to ``path`` that others may not pass."""
    for folder in reversed(path.resolve().parents):
        if not folder.stat().st_mode & stat.S_IXOTH:
            return folder
    return None
