"""What users test their services with: real servers that start in a second and leave nothing behind.

Its one type is `Server`, a child process with a temporary folder.
Production code must not import it; it may import every room.
"""

from atoll.testing.faults import SystemFaults
from atoll.testing.servers import NatsServer, PostgresServer, Server

__all__ = ["NatsServer", "PostgresServer", "Server", "SystemFaults"]
