"""What one HTTP server grants to its clients: sizes in bytes, times in seconds."""

from __future__ import annotations

from dataclasses import dataclass

KIB = 1024


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """Bounds of a server. The size of a body is each operation's own (`Surface.body_limit`).

    header_bytes: the request line and all headers together; more is 431 (nginx and Envoy: 32 to 64 KiB).
    header_timeout: from the first byte of a request, or the opening of a connection, to the end of its headers.
    body_timeout: for the whole body of an operation; between two pieces of a body for a mounted application.
    read_timeout: how long a client may take nothing of a reply that waits for it (nginx's send_timeout: 60 s).
    keep_alive: how long an idle connection stays open; longer than any client's, so that the client closes first.
    heartbeat: between two comments on an idle event stream, so that proxies keep it open.
    stream_opening: how long a stream's first item is waited for, so that an early error is still a problem document.
    backlog: connections that the kernel holds until they are accepted.
    """

    header_bytes: int = 32 * KIB
    header_timeout: float = 10.0
    body_timeout: float = 30.0
    read_timeout: float = 30.0
    keep_alive: float = 75.0
    heartbeat: float = 15.0
    stream_opening: float = 1.0
    backlog: int = 2048
