"""Faults that somebody ordered: which edge, what, and until when. Services ask for theirs; the gateway gets its own compiled in.

Everyone who applies a fault knows its end and keeps it by himself: services count the seconds, Envoy looks at the clock. So a
fault ends in time even if this process does not live to see it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import msgspec

from atoll.platform.gateway import EdgeFault
from atoll.platform.local.wiring import GATEWAY, routed
from atoll.system import System, Trouble

LONGEST = 3600.0  # seconds that a fault may last
SLOWEST = 60.0  # seconds of delay
OFF = "faults are off in this system; they were switched off with ATOLL_FAULTS=off when it was started"


class FaultOrder(msgspec.Struct, frozen=True):
    """The body of POST /v1/faults. edge: ``orders->payments`` or ``gateway->orders``. delay, seconds: in seconds.

    share: of so many calls wait. error: share of calls that fail with ``status``.
    """

    edge: str
    delay: float = 0.0
    error: float = 0.0
    status: int = 503
    seconds: float = 60.0
    share: float = 1.0


@dataclass(frozen=True, slots=True)
class _Active:
    order: FaultOrder
    caller: str
    target: str
    until: float  # Unix time


class FaultBook:
    """The faults in force. changed: called when the gateway's may have changed."""

    def __init__(self, system: System, changed: Callable[[], None], *, enabled: bool = True) -> None:
        self._system = system
        self._changed = changed
        self._enabled = enabled
        self._active: dict[tuple[str, str], _Active] = {}
        self._version = 1
        self._wake = asyncio.Event()

    def add(self, order: FaultOrder) -> None:
        """Orders it, in the place of what was ordered for that edge before; Trouble if it makes no sense."""
        if not self._enabled:
            raise Trouble(OFF)
        caller, target = self._edge(order.edge)
        _check(order)
        self._active[caller, target] = _Active(order, caller, target, time.time() + order.seconds)
        asyncio.get_running_loop().call_later(order.seconds, self._tell)
        self._tell()

    def clear(self, edge: str = "") -> int:
        """Takes one edge's fault away, or all of them; how many there were."""
        keys = [self._edge(edge)] if edge else list(self._active)
        gone = [key for key in keys if self._active.pop(key, None) is not None]
        self._tell()
        return len(gone)

    def listing(self) -> list[dict[str, object]]:
        """For people: [{"edge", "delay", "error", "status", "left"}], left in seconds."""
        now = time.time()
        return [{**msgspec.to_builtins(one.order), "left": round(one.until - now, 1)} for one in self._current()]

    def edge_faults(self) -> Mapping[str, EdgeFault]:
        """The gateway's, by service."""
        return {
            one.target: EdgeFault(one.order.delay, one.order.error, one.order.status, one.until, one.order.share)
            for one in self._current()
            if one.caller == GATEWAY
        }

    async def of(self, caller: str, after: int, seconds: float) -> dict[str, object]:
        """A service's own, as soon as anything changed since ``after``; after ``seconds`` the present ones."""
        if self._version <= after:
            try:
                async with asyncio.timeout(seconds):
                    await self._wake.wait()
            except TimeoutError:
                pass  # the long poll's answer is then the present state
        now = time.time()
        mine = [
            {
                "target": one.target,
                "delay": one.order.delay,
                "share": one.order.share,
                "error": one.order.error,
                "status": one.order.status,
                "left": max(0.0, one.until - now),
            }
            for one in self._current()
            if one.caller == caller
        ]
        return {"version": self._version, "faults": mine}

    def _current(self) -> list[_Active]:
        now = time.time()
        self._active = {key: one for key, one in self._active.items() if one.until > now}
        return list(self._active.values())

    def _tell(self) -> None:
        self._version += 1
        wake, self._wake = self._wake, asyncio.Event()
        wake.set()
        self._changed()

    def _edge(self, edge: str) -> tuple[str, str]:
        caller, arrow, target = (part.strip() for part in edge.partition("->"))
        if not (caller and arrow and target):
            raise Trouble(f"{edge!r} is not like orders->payments")
        known = _edges(self._system)
        if (caller, target) not in known:
            raise Trouble(
                f"{caller} does not call {target}; there are: {', '.join(f'{one}->{other}' for one, other in known)}"
            )
        return caller, target


def _edges(system: System) -> list[tuple[str, str]]:
    inner = [(service.name, callee) for service in system.services for callee in service.calls]
    return [*((GATEWAY, name) for name in sorted(routed(system))), *inner]


def _check(order: FaultOrder) -> None:
    if not (order.delay or order.error):
        raise Trouble("a fault needs a delay or a share of errors: --delay 2s, --error 30%")
    for name, value, most in (
        ("the delay", order.delay, SLOWEST),
        ("the share of errors", order.error, 1.0),
        ("the share of calls that wait", order.share, 1.0),
        ("the time", order.seconds, LONGEST),
    ):
        if not 0 <= value <= most:
            raise Trouble(f"{name} is {value:g}; it must be between 0 and {most:g}")
    if not order.seconds:
        raise Trouble("the time is 0; a fault lasts for a while: --for 1m")
    if not 400 <= order.status <= 599:
        raise Trouble(f"the status is {order.status}; an error's status is between 400 and 599")
