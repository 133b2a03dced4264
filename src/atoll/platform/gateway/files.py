"""The folder that Envoy watches: its bootstrap and one directory a kind of resource, every file replaced atomically."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from atoll.platform.gateway.bootstrap import bootstrap
from atoll.platform.gateway.config_sources import anchored
from atoll.platform.gateway.options import GatewayOptions
from atoll.platform.gateway.snapshot import Resource, Snapshot, content_version

TYPES = {
    "cds": "envoy.config.cluster.v3.Cluster",
    "eds": "envoy.config.endpoint.v3.ClusterLoadAssignment",
    "lds": "envoy.config.listener.v3.Listener",
    "rds": "envoy.config.route.v3.RouteConfiguration",
    "sds": "envoy.extensions.transport_sockets.tls.v3.Secret",
}
FLUSH_MS = 100  # how long Envoy keeps log lines before it writes them; its default is ten seconds


@dataclass(frozen=True, slots=True)
class Document:
    """One file's content: a DiscoveryResponse. kind: ``cds`` and so on; name: ``clusters``, or a service's name."""

    kind: str
    name: str
    resources: tuple[Resource, ...]

    @property
    def version(self) -> str:
        """A hash of its resources."""
        return content_version(self.resources)

    def encoded(self) -> bytes:
        """The JSON that Envoy reads."""
        message = f"type.googleapis.com/{TYPES[self.kind]}"
        resources = [{"@type": message, **resource} for resource in self.resources]
        return json.dumps({"version_info": self.version, "resources": resources}, indent=1).encode()


def snapshot_documents(snapshot: Snapshot, folder: Path) -> tuple[Document, ...]:
    """The files of a snapshot, in the order in which a running Envoy needs them: what is referred to comes first."""
    return tuple(
        Document(document.kind, document.name, tuple(anchored(document.resources, folder)))
        for document in _documents(snapshot)
    )


def _documents(snapshot: Snapshot) -> tuple[Document, ...]:
    return (
        *(Document("sds", name, (secret,)) for name, secret in sorted(snapshot.secrets.items())),
        *(Document("eds", name, (assignment,)) for name, assignment in sorted(snapshot.endpoints.items())),
        Document("cds", "clusters", snapshot.clusters),
        Document("lds", "listeners", snapshot.listeners),
        Document("rds", "routes", snapshot.routes),
    )


class GatewayFiles:
    """The files of one Envoy, in a folder that nobody else reads (mode 0700)."""

    def __init__(self, folder: Path, options: GatewayOptions) -> None:
        self.folder = folder.absolute()
        self.options = options

    @property
    def log(self) -> Path:
        """Envoy's own log: warnings and errors. (The access log is another file, or standard output.)"""
        return self.folder / "envoy.log"

    def write_bootstrap(self) -> Path:
        """Writes what Envoy starts with, and empty resources where there are none yet; the bootstrap's path."""
        for kind in TYPES:
            (self.folder / kind).mkdir(mode=0o700, parents=True, exist_ok=True)
        self.folder.chmod(0o700)
        for empty in (Document("cds", "clusters", ()), Document("lds", "listeners", ()), Document("rds", "routes", ())):
            if not self.path(empty.kind, empty.name).exists():
                self.write(empty)
        path = self.folder / "bootstrap.json"
        self._replace(path, json.dumps(anchored(bootstrap(self.options), self.folder), indent=1).encode())
        return path

    def argv(self, program: Path | str) -> tuple[str, ...]:
        """The command line that starts Envoy in the foreground; it logs to `log` and stops on SIGTERM."""
        return (
            str(program),
            *("--config-path", str(self.folder / "bootstrap.json")),
            *("--concurrency", str(self.options.concurrency)),
            *("--log-level", "warning", "--log-path", str(self.log), "--file-flush-interval-msec", str(FLUSH_MS)),
            # An issuer that is away would fill the log, several lines a second; replies and the access log tell of it.
            *("--component-log-level", "jwt:critical,misc:error"),
            *("--drain-time-s", "5", "--parent-shutdown-time-s", "6"),
            "--disable-hot-restart",
            # Otherwise an unknown field only warns, and the broken configuration replaces the good one.
            "--reject-unknown-dynamic-fields",
        )

    def install(self, snapshot: Snapshot) -> None:
        """Writes a snapshot without asking Envoy, for the time before it runs: what it starts with."""
        self.write_bootstrap()
        documents = snapshot_documents(snapshot, self.folder)
        for document in documents:
            self.write(document)
        self.keep_only(documents)

    def path(self, kind: str, name: str) -> Path:
        """Where a document is."""
        return self.folder / kind / f"{name}.json"

    def differs(self, document: Document) -> bool:
        """Whether the file is missing or has another content."""
        path = self.path(document.kind, document.name)
        return not path.exists() or path.read_bytes() != document.encoded()

    def write(self, document: Document) -> None:
        """Replaces the file, if its content differs; Envoy reads it at once."""
        if self.differs(document):
            self._replace(self.path(document.kind, document.name), document.encoded())

    def read(self) -> tuple[Document, ...]:
        """The documents that are in force now."""
        return tuple(self._stored())

    def keep_only(self, documents: Iterable[Document]) -> None:
        """Removes the files of services that are not among these documents."""
        kept = {self.path(document.kind, document.name) for document in documents}
        for kind in ("eds", "sds"):
            for path in (self.folder / kind).glob("*.json"):
                if path not in kept:
                    path.unlink()

    def _stored(self) -> Iterator[Document]:
        for kind in ("sds", "eds", "cds", "lds", "rds"):
            for path in sorted((self.folder / kind).glob("*.json")):
                content = json.loads(path.read_bytes())
                yield Document(kind, path.stem, tuple(_untyped(resource) for resource in content["resources"]))

    def _replace(self, path: Path, content: bytes) -> None:
        temporary = self.folder / f".{path.parent.name}.{path.name}.new"
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
        temporary.rename(path)


def _untyped(resource: Mapping[str, Any]) -> Resource:
    return {key: value for key, value in resource.items() if key != "@type"}
