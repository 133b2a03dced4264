"""What a service says about itself while it runs: its logs, each line with the request that it belongs to.

Its one function is `configure_logging`, called once by the composition root.
It must not import any other room than `contracts` and `service`.
"""

from atoll.telemetry.logging import configure_logging

__all__ = ["configure_logging"]
