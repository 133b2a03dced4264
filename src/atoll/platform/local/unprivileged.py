"""Starts a program as somebody who is not root, and becomes it (same pid): PostgreSQL refuses to run as root.

Run as a file by the isolated interpreter, so that nothing but the standard library's core is loaded:

    python -I -S unprivileged.py namespace UID GID program argument ...
    python -I -S unprivileged.py switch UID GID program argument ...

``namespace`` enters a user namespace of its own in which the present user shows as UID: PostgreSQL sees no root, and
every file that this user may read stays readable (a virtual environment under a 0700 home, say). ``switch`` gives up root
for the user UID, for the machines where namespaces are not allowed. Exit code 97: it was not allowed.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

NOT_ALLOWED = 97
CLONE_NEWUSER = 0x10000000  # <linux/sched.h>


def enter_namespace(uid: int, gid: int) -> None:
    """user_namespaces(7): one line may map our own id to any; the group's needs setgroups denied first."""
    import ctypes

    outer_uid, outer_gid = os.geteuid(), os.getegid()
    if ctypes.CDLL(None, use_errno=True).unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare")
    for name, content in (
        ("setgroups", "deny"),
        ("uid_map", f"{uid} {outer_uid} 1"),
        ("gid_map", f"{gid} {outer_gid} 1"),
    ):
        Path("/proc/self", name).write_text(content, "ascii")


def switch_user(uid: int, gid: int) -> None:
    """Give up root, and its groups, for good."""
    os.setgroups([])
    os.setgid(gid)
    os.setuid(uid)


def main() -> None:
    """Become the program."""
    how, uid, gid, *command = sys.argv[1:]
    try:
        (enter_namespace if how == "namespace" else switch_user)(int(uid), int(gid))
    except OSError as error:
        sys.stderr.write(f"{how}: {error}\n")
        sys.exit(NOT_ALLOWED)
    os.execv(command[0], command)  # noqa: S606 - no shell is wanted


if __name__ == "__main__":
    main()
