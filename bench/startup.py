"""How long from `atoll up` on empty data to the first confirmed order, how long the second start takes, and idle memory.

    .venv/bin/python -m bench.startup [--system shop/system.py] [--json]

Runs the real command on a copy of the system's folder, whose data folder is empty.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
import uuid
from pathlib import Path
from typing import Any

from bench.comparison.arguments import Parser
from bench.comparison.atoll import processes, without_servers
from bench.comparison.processes import family, resident

ATOLL = Path(sys.executable).with_name("atoll")
FIRST_ORDER_PATIENCE = 30.0  # seconds; a bound on the polling, not a limit that is judged


def main() -> None:
    """Measures and prints."""
    parser = Parser(description=__doc__)
    parser.add_argument("--system", default="shop/system.py")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    source = Path(options.system).resolve()
    with tempfile.TemporaryDirectory(prefix="atoll-bench-") as folder:
        copy = Path(folder) / source.parent.name
        shutil.copytree(source.parent, copy, ignore=shutil.ignore_patterns(".atoll", ".venv", "__pycache__"))
        rows = measure(copy / source.name)
    if options.json:
        print(json.dumps(rows))
        return
    print(f"{platform.platform()}, Python {platform.python_version()}, {_cpus()} CPUs")
    for name, value in rows.items():
        print(f"{name:<44} {value}")


def measure(system: Path) -> dict[str, Any]:
    """Two starts on one data folder, empty at first; an order in each; memory while idle."""
    rows: dict[str, Any] = {}
    for start in ("first", "second"):
        began = time.monotonic()
        state = _up(system)
        rows[f"{start} start: all ready, s"] = round(time.monotonic() - began, 2)
        order_seconds = _first_order(state["gateway"], began)
        rows[f"{start} start: first order confirmed, s"] = order_seconds
        if start == "second":
            rows |= _memory(state)
        _run("down", system)
    return rows


def _up(system: Path) -> dict[str, Any]:
    done = _run("up", system, "-d", "--isolated", "--json")
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def _run(verb: str, system: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [str(ATOLL), verb, "--system", str(system), *options]
    environment = {**os.environ, "PATH": without_servers()}
    done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command)} failed: {done.stderr.strip()}")
    return done


def _first_order(gateway: str, began: float) -> float:
    email, password = f"{uuid.uuid4().hex}@example.com", uuid.uuid4().hex
    _call(gateway, "POST", "/auth/register", {"email": email, "password": password})
    form = urllib.parse.urlencode({"grant_type": "password", "username": email, "password": password}).encode()
    token = _send(gateway, "POST", "/auth/token", form, {"content-type": "application/x-www-form-urlencoded"})
    bearer = {"authorization": f"Bearer {token['access_token']}"}
    order = _call(gateway, "POST", "/orders", {"items": [{"sku": "A1", "quantity": 1}], "currency": "EUR"}, bearer)
    until = time.monotonic() + FIRST_ORDER_PATIENCE
    while time.monotonic() < until:
        if _call(gateway, "GET", f"/orders/{order['id']}", None, bearer)["status"] == "confirmed":
            return round(time.monotonic() - began, 2)
        time.sleep(0.01)  # between polls of a state that another process changes
    sys.exit(f"order {order['id']} was not confirmed within {FIRST_ORDER_PATIENCE:g} s")


def _call(base: str, method: str, path: str, body: Any, headers: dict[str, str] | None = None) -> Any:
    data = None if body is None else json.dumps(body).encode()
    return _send(base, method, path, data, {"content-type": "application/json", **(headers or {})})


def _send(base: str, method: str, path: str, data: bytes | None, headers: dict[str, str]) -> Any:
    request = urllib.request.Request(base + path, data=data, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=10) as reply:
            return json.load(reply)
    except urllib.error.HTTPError as error:
        sys.exit(f"{method} {path} answered {error.code}: {error.read().decode()[:300]}")


def _memory(state: dict[str, Any]) -> dict[str, str]:
    """MiB of each process with its children."""
    held = {name: sum(map(resident, family(pid))) / 2**20 for name, pid in processes(state)}
    rows = {f"idle memory: {name}, MiB": f"{memory:.0f}" for name, memory in held.items()}
    return {**rows, "idle memory: all of these, MiB": f"{sum(held.values()):.0f}"}


def _cpus() -> int:
    return os.cpu_count() or 1


if __name__ == "__main__":
    main()
