"""Publishes snapshots to a running Envoy, and goes back to the last good one when it refuses."""

from __future__ import annotations

from atoll.platform.gateway.files import GatewayFiles
from atoll.platform.gateway.snapshot import Snapshot


class SnapshotRefused(Exception):
    """The snapshot is inconsistent or Envoy refused it; the last good one is in force. ``reason`` is one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the gateway refused the new configuration and keeps the last good one: {reason}")
        self.reason = reason


class GatewayUnreachable(Exception):
    """Envoy's admin port did not answer in time; one line."""


class GatewayControl:
    """The one writer of a running Envoy's configuration."""

    def __init__(self, files: GatewayFiles, *, timeout: float = 10.0) -> None:
        self.files = files
        self.timeout = timeout
        self.current: Snapshot | None = None

    async def ready(self) -> None:
        """Waits until Envoy is live and serves what its files say; `GatewayUnreachable` after the timeout."""
        raise NotImplementedError

    async def publish(self, snapshot: Snapshot) -> None:
        """Makes a snapshot the one in force: returns when Envoy has accepted all of it.

        `SnapshotRefused` if it is inconsistent or Envoy refuses any part: then the last good one is in force again.
        `GatewayUnreachable` if Envoy does not answer: the files hold the last good one.
        """
        raise NotImplementedError

    async def drain(self) -> None:
        """Tells Envoy to finish what is in flight and take no new connections; stop the process afterwards."""
        raise NotImplementedError
