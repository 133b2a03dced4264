"""The lines that `atoll up` prints at its end are a first order, when they are typed as they stand."""

from __future__ import annotations

import json
import shutil
import subprocess
import time

import pytest
from tests.system.local_system import LocalSystem, clean_environment

from atoll.system.load import load_system

MARK = "--- next"


@pytest.mark.skipif(not (shutil.which("curl") and shutil.which("bash")), reason="the lines are for curl, in a shell")
def test_the_printed_lines_are_a_first_order_that_is_soon_confirmed(shop: LocalSystem) -> None:
    lines = [line.replace("{gateway}", shop.gateway) for line in load_system(shop.folder / "system.py").hints]
    began = time.monotonic()
    done = subprocess.run(
        ["bash", "-euc", f"\necho; echo '{MARK}'\n".join(lines)],
        env=clean_environment(), capture_output=True, text=True, timeout=30, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    registered, token, placed, order, quote = (part.strip() for part in done.stdout.split(MARK))
    assert json.loads(registered)["user_id"]
    assert (token, placed) == ("", "")  # they go into variables
    assert json.loads(order)["status"] in ("pending", "confirmed")
    assert json.loads(quote)["accepted"] is True
    assert time.monotonic() - began < 10
