"""What a publisher makes."""

from __future__ import annotations

from collections.abc import Mapping

Files = Mapping[str, str]
"""Texts by their path below the folder that they are written to, with ``/`` between its parts."""
