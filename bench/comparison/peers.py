"""Where scripts/peers put what it installed."""

from __future__ import annotations

import subprocess
from pathlib import Path

from bench.comparison.ground import ROOT

SCRIPT = ROOT / "scripts" / "peers"


def missing_peer(name: str) -> str:
    """What is to be done first, in one line, or ""."""
    done = look(name)
    return done.stderr.strip() if done.returncode else ""


def peer_folder(name: str) -> Path:
    """RuntimeError, if it is not installed."""
    done = look(name)
    if done.returncode:
        raise RuntimeError(done.stderr.strip())
    return Path(done.stdout.strip())


def libraries(folder: Path) -> str:
    """LD_LIBRARY_PATH for the programs of unpacked packages."""
    return ":".join(str(one) for one in folder.glob("usr/lib/*-linux-gnu"))


def look(name: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["sh", str(SCRIPT), "look", name], capture_output=True, text=True, check=False)
