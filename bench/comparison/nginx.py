"""nginx as the gateway of a peer that has none of its own."""

from __future__ import annotations

import shutil

from bench.comparison.ground import ROOT, Ground

CONFIG = ROOT / "bench" / "peers" / "fastapi" / "nginx.conf"


def missing_nginx() -> str:
    """It comes from the system."""
    return "" if shutil.which("nginx") else "there is no nginx (Debian, Ubuntu: apt install nginx-light)"


def start_nginx(on: Ground, port: int, orders: int) -> None:
    """Passes everything to the orders service."""
    config = on.folder / "nginx.conf"
    text = CONFIG.read_text().replace("ORDERS", str(orders)).replace("PORT", str(port))
    config.write_text(text.replace("FOLDER", str(on.folder)))
    on.spawn("nginx", ["nginx", "-c", str(config), "-p", str(on.folder)], {}, f"127.0.0.1:{port}/health")
