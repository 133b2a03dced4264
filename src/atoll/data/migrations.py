"""Migrations of the framework's tables and of the service's own, run as a step before a release starts."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.service import Service


@dataclass(frozen=True, slots=True)
class MigrationReport:
    """The revisions that were applied, in order; empty when all was there already."""

    applied: tuple[str, ...]
    seconds: float


class MigrationError(Exception):
    """One line: which revision, what is wrong."""


async def migrate(url: str, service: Service) -> MigrationReport:
    """Brings the database at ``url`` to the newest revision. Safe to run from several processes at once."""
    raise NotImplementedError
