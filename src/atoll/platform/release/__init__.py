"""Releases: what one build of a service made, kept unchanged on a shelf, named by its content.

Its one type is `Release`, a folder with an environment of its own, the contract's documents and the migrations.
It must not import the local platform, rollouts, the SDK or the command line: they ask it, and a service's code runs elsewhere.
"""

from __future__ import annotations

from atoll.platform.release.release import Release
from atoll.platform.release.shelf import Shelf

__all__ = ["Release", "Shelf"]
