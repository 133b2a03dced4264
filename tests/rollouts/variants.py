"""Other releases of the shop's services: lines of a copied checkout are changed, and changed back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.system.local_system import REPOSITORY, copy_of_shop

PLACING = "shop/orders/src/shop_orders/placing.py"
PLACE = "    order = Order.place(UserId(caller.subject), await _fill(command, prices), command.card)\n"
ORDERS = "shop/orders/src/shop_orders/service.py"
SERVICES = {"orders": ORDERS, "payments": "shop/payments/src/shop_payments/service.py"}
IN_A_THREAD = """
import os, signal, threading, time
def _end() -> None:
    {what}
if "ATOLL_INSTANCE" in os.environ:  # not where the code is only asked what it is
    threading.Thread(target=_end, daemon=True).start()
"""
LEAK = """kept = []
    while len(kept) < 100:  # MiB
        kept.append(bytearray(1 << 20))
        time.sleep(0.02)
    os.kill(os.getpid(), signal.SIGKILL)"""
# By name: the file, the lines to find ("" for the end of the file), and what is there instead.
BAD: dict[str, tuple[str, str, str]] = {
    "errors": (PLACING, PLACE, f"    import random\n    if random.random() < 0.05:\n        raise RuntimeError('bad')\n{PLACE}"),
    "ten-times": (PLACING, PLACE, f"    import asyncio\n    await asyncio.sleep(0.03)\n{PLACE}"),
    "twice": (PLACING, PLACE, f"    import asyncio\n    await asyncio.sleep(0.0035)  # as long as it takes\n{PLACE}"),
    "crash-loop": (ORDERS, "", IN_A_THREAD.format(what="time.sleep(2)\n    os._exit(1)")),
    "never-ready": (ORDERS, "", "\nimport os, time\nif 'ATOLL_INSTANCE' in os.environ:\n    time.sleep(600)\n"),
    "leak": (ORDERS, "", IN_A_THREAD.format(what=LEAK)),
    "no-metrics": ("src/atoll/serve/telemetry.py", 'PAGE = "/metrics"', 'PAGE = "/metrics-away"'),
    "wrong-events": (
        "shop/orders/src/shop_orders/order.py",
        "contract.OrderCreated(self.id, self.customer, self.total, self.currency,",
        "contract.OrderCreated(self.id, self.customer, self.total, '?',",
    ),
    "no-traffic": (ORDERS, "", "\n# As good as the one before, but nobody asks it.\n"),
}  # fmt: skip
REST_OF_EVENT = "    currency: Currency\n    card: CardToken = DEFAULT_CARD\n\n\nclass OrderConfirmed"
BREAKING: dict[str, tuple[str, str, str]] = {
    "event": ("shop/contracts/src/shop_contracts/orders.py", f"    total: Amount\n{REST_OF_EVENT}", REST_OF_EVENT),
    "column": ("shop/orders/src/shop_orders/migrations/0003_dropped.py", "", '''"""A column goes that is in use."""

from alembic import op

revision = "orders_0003"
down_revision = "orders_0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE orders DROP COLUMN customer")
'''),
}  # fmt: skip


def checkout(folder: Path) -> Path:
    """A copy of all that a build needs, with no limit of orders for one customer; the folder of its system.py."""
    for name in ("pyproject.toml", "uv.lock", "README.md", "LICENSE"):
        shutil.copy(REPOSITORY / name, folder)
    shutil.copytree(REPOSITORY / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    shop = copy_of_shop(folder)
    text = (shop / "system.py").read_text("utf-8")
    text = text.replace("Gateway(\n", "Gateway(\n        rate_limit=RateLimit(requests=1_000_000),\n", 1)
    text = text.replace(
        "from atoll.system import", "from atoll.contracts import RateLimit\nfrom atoll.system import", 1
    )
    (shop / "system.py").write_text(text, "utf-8")
    return shop


def next_release(root: Path, service: str, number: int) -> None:
    """The service is another release from now on that does the same."""
    with (root / SERVICES[service]).open("a", encoding="utf-8") as file:
        file.write(f"\n# Release {number}.\n")


@contextmanager
def changed(root: Path, edit: tuple[str, str, str]) -> Iterator[None]:
    """The checkout with one edit."""
    file = root / edit[0]
    before = file.read_text("utf-8") if file.exists() else ""
    if edit[1] not in before:
        raise ValueError(f"{file}: there is no {edit[1]!r} to change")
    after = before.replace(edit[1], edit[2], 1) if edit[1] else before + edit[2]
    file.write_text(after, "utf-8")
    try:
        yield
    finally:
        if before:
            file.write_text(before, "utf-8")
        else:
            file.unlink()
