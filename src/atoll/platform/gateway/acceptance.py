"""Whether Envoy took a document: its statistics before and after a write."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Mapping
from pathlib import Path

from atoll.platform.gateway.admin import Admin
from atoll.platform.gateway.files import Document

_PREFIXES = {
    "cds": "cluster_manager.cds",
    "lds": "listener_manager.lds",
    "rds": "http.gateway.rds.gateway",
    "eds": "cluster.{name}",
    "sds": "sds.{name}",
}
_SETTLED = {"cds": "cluster_manager.warming_clusters", "lds": "listener_manager.total_listeners_warming"}
_LOOKS, _LOOK_PAUSE = 50, 0.02  # for a second; see FLUSH_MS in files
_LINE = re.compile(rb"Filesystem config update (?:rejected|failure): ([^\n]*)")


class Refusal(Exception):
    """Envoy said no; ``reason`` is what it said, in one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Acceptance:
    """One document and Envoy's word on it: since `begin`, or since Envoy started."""

    def __init__(self, document: Document, admin: Admin, log: Path) -> None:
        self._document = document
        self._admin = admin
        self._log = log
        self._prefix = _PREFIXES[document.kind].format(name=document.name)
        self._refused = 0
        self._log_size = 0

    async def begin(self) -> None:
        """Notes what was there before the write."""
        self._refused = _refusals(await self._stats(), self._prefix)
        self._log_size = self._log.stat().st_size if self._log.exists() else 0

    async def decided(self) -> bool:
        """True when the document is in force, or when nothing in Envoy reads it yet; `Refusal` when it was refused."""
        stats = await self._stats()
        version = stats.get(f"{self._prefix}.version_text")
        if version == self._document.version:
            return not stats.get(_SETTLED.get(self._document.kind, ""))
        if _refusals(stats, self._prefix) > self._refused:
            raise Refusal(await self._reason())
        return version is None  # the cluster or listener that will read this file comes later in the snapshot

    async def _stats(self) -> Mapping[str, int | str]:
        settled = _SETTLED.get(self._document.kind, "$^")
        prefix = re.escape(self._prefix)
        return await self._admin.stats(
            rf"^{prefix}\.(update_rejected|update_failure|version_text)$|^{re.escape(settled)}$"
        )

    async def _reason(self) -> str:
        """Envoy's own words, from its log, which it writes a little later."""
        for _ in range(_LOOKS):
            if found := _LINE.findall(self._said()):
                return " ".join(found[-1].decode(errors="replace").split())
            await asyncio.sleep(_LOOK_PAUSE)
        return f"{self._prefix} was refused (see {self._log})"

    def _said(self) -> bytes:
        if not self._log.exists():
            return b""
        with self._log.open("rb") as file:
            file.seek(self._log_size)
            return file.read()


def _refusals(stats: Mapping[str, int | str], prefix: str) -> int:
    return sum(int(stats.get(f"{prefix}.{name}", 0)) for name in ("update_rejected", "update_failure"))
