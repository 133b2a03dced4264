"""How ``atoll up`` was asked to run the system."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Options:
    """How ``atoll up`` was asked. isolated: free ports, and no given server. port: the gateway's, instead of the model's.

    broker: the kind to use instead of the model's (``rabbitmq``, say); empty: the model's.
    faults: whether somebody may order faults. dashboard: whether the page about the system is served, and telemetry kept for it.
    dev: services whose stable release is forgotten, so that they run the working tree.
    """

    isolated: bool = False
    port: int | None = None
    watch: bool = True
    broker: str = ""
    faults: bool = True
    dashboard: bool = True
    dev: tuple[str, ...] = ()
