"""Where the instances of a service are, and which of them gets the next call.

Its one type is `Registry`, the port: watch a service's endpoints, register one's own.
It must not import `transport`: an HTTP client is handed to what needs one.
"""

from atoll.discovery.balance import Balancer
from atoll.discovery.builtin import BuiltinRegistry
from atoll.discovery.memory import MemoryRegistry
from atoll.discovery.own import OwnShare
from atoll.discovery.registry import Endpoint, Registry
from atoll.discovery.static import StaticRegistry

__all__ = ["Balancer", "BuiltinRegistry", "Endpoint", "MemoryRegistry", "OwnShare", "Registry", "StaticRegistry"]
