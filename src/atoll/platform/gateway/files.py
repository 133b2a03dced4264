"""The folder that Envoy watches: its bootstrap and one file a kind of resource, replaced atomically."""

from __future__ import annotations

from pathlib import Path

from atoll.platform.gateway.options import GatewayOptions
from atoll.platform.gateway.snapshot import Snapshot


class GatewayFiles:
    """The files of one Envoy, in a folder that nobody else reads (mode 0700)."""

    def __init__(self, folder: Path, options: GatewayOptions) -> None:
        self.folder = folder
        self.options = options

    def write_bootstrap(self) -> Path:
        """Writes what Envoy starts with, and empty resources where there are none yet; the bootstrap's path."""
        raise NotImplementedError

    def argv(self, program: Path | str) -> tuple[str, ...]:
        """The command line that starts Envoy in the foreground; it logs to standard error and stops on SIGTERM."""
        raise NotImplementedError

    def install(self, snapshot: Snapshot) -> None:
        """Writes a snapshot without asking Envoy, for the time before it runs; what it starts with."""
        raise NotImplementedError
