"""From the model and the endpoints to a snapshot: a pure function."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from atoll.platform.gateway.options import Endpoint, GatewayOptions
from atoll.platform.gateway.snapshot import Snapshot
from atoll.system import System


def compile_snapshot(
    system: System, endpoints: Mapping[str, Sequence[Endpoint]], options: GatewayOptions
) -> Snapshot:
    """The snapshot of ``system.gateway`` with each service's endpoints (none: its routes answer 503).

    `GatewayModelError`, one line, if the model cannot become a gateway.
    """
    raise NotImplementedError
