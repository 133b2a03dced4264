"""The composition root of the dashboard: the platform's store and page, and beside them what acts on the running system.

Its one type is `Reach`, the system beside one system.py. Nothing may import it but the command line.
"""

from __future__ import annotations

from atoll.cli.dashboard.verb import command

__all__ = ["command"]
