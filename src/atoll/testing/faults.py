"""Faults in the running system from a test, the same as ``atoll fault``.

faults = SystemFaults(Path("system.py"))
with faults.fault("orders->payments", delay=2.0, error=0.3):
    ...
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from atoll.cli.client import Client


class SystemFaults:
    """file: the system.py of a system that `atoll up` runs. Trouble, one line, for what makes no sense."""

    def __init__(self, file: Path) -> None:
        self._client = Client(file)

    def add(
        self,
        edge: str,
        *,
        delay: float = 0.0,
        error: float = 0.0,
        status: int = 503,
        seconds: float = 60.0,
        share: float = 1.0,
    ) -> list[dict[str, Any]]:
        """Orders a fault; returns those in force. edge: ``orders->payments`` or ``gateway->orders``. error: a share.

        share: of so many calls wait.
        """
        order = {"edge": edge, "delay": delay, "error": error, "status": status, "seconds": seconds, "share": share}
        return list(self._client.call("POST", "/v1/faults", order)["faults"])

    def list(self) -> list[dict[str, Any]]:
        """Those in force."""
        return [*self._client.call("GET", "/v1/faults")["faults"]]

    def clear(self, edge: str = "") -> None:
        """Ends one, or all."""
        self._client.call("POST", "/v1/faults/clear", {"edge": edge})

    @contextmanager
    def fault(
        self,
        edge: str,
        *,
        delay: float = 0.0,
        error: float = 0.0,
        status: int = 503,
        seconds: float = 60.0,
        share: float = 1.0,
    ) -> Iterator[None]:
        """The fault for the time of a block."""
        self.add(edge, delay=delay, error=error, status=status, seconds=seconds, share=share)
        try:
            yield
        finally:
            self.clear(edge)
