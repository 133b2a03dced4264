"""nginx: the machine's own, or else the one that scripts/peers brings."""

from __future__ import annotations

import shutil
from pathlib import Path

from bench.comparison.ground import ROOT, Bare
from bench.comparison.peers import libraries, missing_peer, peer_folder

CONFIG = ROOT / "bench" / "peers" / "fastapi" / "nginx.conf"


def missing_nginx() -> str:
    """What is to be done first, or ""."""
    return "" if shutil.which("nginx") else missing_peer("nginx")


def start_nginx(on: Bare, port: int, orders: int) -> None:
    """The gateway of a peer that has none of its own: passes everything to the orders service."""
    config = on.folder / "nginx.conf"
    text = CONFIG.read_text().replace("ORDERS", str(orders)).replace("PORT", str(port))
    config.write_text(text.replace("FOLDER", str(on.folder)))
    run_nginx(on, config, f"127.0.0.1:{port}/health")


def nginx_program() -> tuple[str, dict[str, str]]:
    """The program and its environment variables; RuntimeError if there is none."""
    if found := shutil.which("nginx"):
        return found, {}
    folder = peer_folder("nginx")
    return str(folder / "usr" / "sbin" / "nginx"), {"LD_LIBRARY_PATH": libraries(folder)}


def run_nginx(on: Bare, config: Path, ready: str) -> None:
    """With a whole configuration."""
    program, environment = nginx_program()
    on.spawn("nginx", [program, "-e", "stderr", "-c", str(config), "-p", str(on.folder)], environment, ready)
