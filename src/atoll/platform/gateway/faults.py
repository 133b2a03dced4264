"""Faults at the edge: a delay or errors on the requests to one service, until a moment that Envoy itself watches.

Envoy's fault filter has no end of its own, and whoever would take it out again may be dead by then. So it only acts on requests
that bear a mark, and a line of Lua sets the mark as long as the clock says so.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from atoll.platform.gateway.typed import seconds, typed

MARK = "atoll-fault"  # a client's own is removed on arrival, as all of ours
_LUA, _FAULT = "envoy.filters.http.lua", "envoy.filters.http.fault"
_LUA_PACKAGE = "envoy.extensions.filters.http.lua.v3"
_FAULT_TYPE = "envoy.extensions.filters.http.fault.v3.HTTPFault"
_SCRIPT = """function envoy_on_request(handle)
  if os.time() < {until} then handle:headers():replace("{mark}", "on") end
end
"""


@dataclass(frozen=True, slots=True)
class EdgeFault:
    """delay: seconds that a request waits, and share: of so many. error: share that gets ``status``. until: Unix time."""

    delay: float
    error: float
    status: int
    until: float
    share: float = 1.0


def http_filters(allowed: bool) -> list[dict[str, Any]]:
    """Do nothing where a route does not say otherwise; not there at all where faults are not allowed."""
    if not allowed:
        return []
    nothing = {"inline_string": "function envoy_on_request(handle) end"}
    return [
        {"name": _LUA, "typed_config": typed(f"{_LUA_PACKAGE}.Lua", default_source_code=nothing)},
        {"name": _FAULT, "typed_config": typed(_FAULT_TYPE)},
    ]


def route_policy(fault: EdgeFault | None) -> Mapping[str, Any]:
    """The fault of a route's service, if there is one."""
    if fault is None:
        return {}
    script = _SCRIPT.format(until=math.ceil(fault.until), mark=MARK)
    config = typed(_FAULT_TYPE, headers=[{"name": MARK, "string_match": {"exact": "on"}}])
    if fault.delay:
        config["delay"] = {"fixed_delay": seconds(fault.delay), "percentage": _percentage(fault.share)}
    if fault.error:
        config["abort"] = {"http_status": fault.status, "percentage": _percentage(fault.error)}
    return {
        _LUA: typed(f"{_LUA_PACKAGE}.LuaPerRoute", source_code={"inline_string": script}),
        _FAULT: config,
    }


def _percentage(share: float) -> dict[str, Any]:
    return {"numerator": round(share * 10_000), "denominator": "TEN_THOUSAND"}
