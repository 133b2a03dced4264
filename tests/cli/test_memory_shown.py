"""What the dashboard says of a part's memory: what its processes share is counted once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from atoll.cli.dashboard.running import _of_process

SHARED = 64 * 2**20
FAMILY = f"""
import mmap, os, sys
held = mmap.mmap(-1, {SHARED})
for at in range(0, {SHARED}, 4096):
    held[at] = 1
for _ in range(3):
    if os.fork() == 0:
        sum(held[at] for at in range(0, {SHARED}, 4096))
        os.write(1, b".")
        os.read(0, 1)
        os._exit(0)
os.read(0, 3)
"""


@pytest.mark.skipif(not Path("/proc/self/smaps_rollup").exists(), reason="this system does not tell what is shared")
def test_what_a_family_shares_is_counted_once() -> None:
    with subprocess.Popen([sys.executable, "-c", FAMILY], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stdout.read(3) == b"..."
        memory = _of_process(process.pid)["memory"]
        assert process.stdin is not None
        process.stdin.close()
        process.stdout.close()
    assert SHARED < memory < 2 * SHARED
