"""Publishes snapshots to a running Envoy, and goes back to the last good one when it refuses.

Files have no acknowledgement, so each write is checked by Envoy's own statistics: the version that is in force, and the
counts of refused updates.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping

from atoll.platform.gateway.acceptance import Acceptance, Refusal
from atoll.platform.gateway.admin import Admin, AdminUnreachable
from atoll.platform.gateway.files import Document, GatewayFiles, snapshot_documents
from atoll.platform.gateway.snapshot import Snapshot

_PAUSE = 0.005  # seconds between questions: Envoy has read a file after 1-2 ms
_BACKWARDS = ("sds", "eds", "rds", "lds", "cds")


class SnapshotRefused(Exception):
    """The snapshot is inconsistent or Envoy refused it; the last good one is in force. ``reason`` is one line."""

    def __init__(self, reason: str) -> None:
        super().__init__(f"the gateway refused the new configuration and keeps the last good one: {reason}")
        self.reason = reason


class GatewayUnreachable(Exception):
    """Envoy's admin port did not answer in time, or Envoy did not come to a decision; one line."""


class GatewayControl:
    """The one writer of a running Envoy's configuration. timeout: seconds for Envoy to take a whole snapshot."""

    def __init__(self, files: GatewayFiles, *, timeout: float = 10.0) -> None:
        self.files = files
        self.timeout = timeout
        self.current: Snapshot | None = None
        self._admin = Admin(files.options.admin_port)
        self._turn = asyncio.Lock()

    async def ready(self) -> None:
        """Waits until Envoy is live; `GatewayUnreachable`, with Envoy's last words, after the timeout."""
        await self._within(self._until(self._live))

    async def publish(self, snapshot: Snapshot) -> None:
        """Makes a snapshot the one in force: returns when Envoy has accepted all of it.

        `SnapshotRefused` if it is inconsistent or Envoy refuses any part: then the last good one is in force again.
        `GatewayUnreachable` if Envoy does not answer: then the files hold the last good one.
        """
        if problems := snapshot.problems():
            raise SnapshotRefused("; ".join(problems))
        async with self._turn:
            before = self.files.read()
            try:
                await self._within(self._advance(before, snapshot))
            except Refusal as refusal:
                try:
                    await self._within(self._back(before))
                finally:
                    self._restore(before)
                raise SnapshotRefused(refusal.reason) from None
            except BaseException:
                self._restore(before)
                raise
            self.files.keep_only(snapshot_documents(snapshot, self.files.folder))
            self.current = snapshot

    async def hosts(self, cluster: str) -> Mapping[str, Mapping[str, int]]:
        """``ip:port`` of each endpoint of a cluster -> Envoy's counts of it. `GatewayUnreachable` if it does not answer."""
        try:
            return (await self._admin.hosts()).get(cluster, {})
        except AdminUnreachable as error:
            raise GatewayUnreachable(f"{error}; see {self.files.log}") from None

    async def drain(self) -> None:
        """Tells Envoy to take no new connections and let what is in flight end; stop the process afterwards."""
        await self._within(self._admin.drain())

    async def _advance(self, before: Iterable[Document], snapshot: Snapshot) -> None:
        """Two phases: old and new clusters together until the routes are in, then the new ones alone."""
        documents = snapshot_documents(snapshot, self.files.folder)
        for document in documents:
            await self._write(_with_old_clusters(document, before))
        for document in documents:
            await self._write(document)

    async def _back(self, before: tuple[Document, ...]) -> None:
        """The last good documents again. Routes go first: the clusters that they lead to are still there."""
        try:
            for document in sorted(before, key=lambda document: _BACKWARDS.index(document.kind)):
                await self._write(document)
        except Refusal as refusal:
            raise GatewayUnreachable(f"Envoy refuses the last good configuration as well: {refusal.reason}") from None

    async def _write(self, document: Document) -> None:
        """Writes a document and waits for Envoy's word: `Refusal` if it says no."""
        acceptance = Acceptance(document, self._admin, self.files.log)
        if self.files.differs(document):
            await acceptance.begin()
            self.files.write(document)
        await self._until(acceptance.decided)

    def _restore(self, before: tuple[Document, ...]) -> None:
        for document in before:
            self.files.write(document)
        self.files.keep_only(before)

    async def _live(self) -> bool:
        try:
            return await self._admin.ready()
        except AdminUnreachable:
            return False

    async def _until(self, condition: Callable[[], Awaitable[bool]]) -> None:
        while not await condition():  # noqa: ASYNC110 - what is waited for happens in another process
            await asyncio.sleep(_PAUSE)

    async def _within(self, work: Awaitable[None]) -> None:
        try:
            async with asyncio.timeout(self.timeout):
                await work
        except TimeoutError:
            raise GatewayUnreachable(f"Envoy did not answer within {self.timeout:g} s; see {self.files.log}") from None
        except AdminUnreachable as error:
            raise GatewayUnreachable(f"{error}; see {self.files.log}") from None


def _with_old_clusters(document: Document, before: Iterable[Document]) -> Document:
    if document.kind != "cds":
        return document
    names = {resource["name"] for resource in document.resources}
    old = [
        resource
        for known in before
        if known.kind == "cds"
        for resource in known.resources
        if resource["name"] not in names
    ]
    return Document("cds", document.name, (*document.resources, *old))
