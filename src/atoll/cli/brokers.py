"""The broker, for verbs that look at what passes: of the running system, or the one that the environment names."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

from atoll.platform.local.ports import Ports
from atoll.system.trouble import Trouble

VARIABLE = "ATOLL_BROKER_URL"


@dataclass(frozen=True, slots=True)
class BrokerAt:
    """url: with its password, for an account that may read everything. system: whose events they are."""

    url: str = field(repr=False)
    system: str


def broker_at(find: Callable[[], Path]) -> BrokerAt:
    """The broker of ATOLL_BROKER_URL and ATOLL_SYSTEM, else of the running system; Trouble if there is none.

    find: where system.py is; not called if the environment names a broker.
    """
    if url := os.environ.get(VARIABLE):
        found = BrokerAt(url, os.environ.get("ATOLL_SYSTEM", "local"))
    else:
        found = running_broker(find())
    if found.url.startswith("memory:"):
        raise Trouble("the broker is memory://, which stays inside of one process; nothing can look on from here")
    return found


class _AsTheyAre(Ports):
    """The ports of what runs."""

    def take(self, name: str) -> int:
        return self.remembered[name]


def running_broker(file: Path) -> BrokerAt:
    """The broker of the running system beside ``file``; Trouble if none runs, or it has no broker."""
    from atoll.cli.client import Client
    from atoll.platform.local import ground
    from atoll.system.load import load_system
    from atoll.system.servers import BROKERS

    client = Client(file)
    client.require_running()
    system, state = load_system(file), client.folder.read_state()
    own = next((record.kind for record in state.processes.values() if record.kind in BROKERS), "")
    if own:  # whatever the model says (--isolated, --broker)
        system = replace(system, broker=BROKERS[own]())
    broker = ground.broker_of(system, client.folder, _AsTheyAre(state.ports))
    if broker is None:
        raise Trouble(f"{system.place}: the system has no broker; add broker=Nats()")
    return BrokerAt(broker.admin_url, system.name)
