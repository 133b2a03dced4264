"""The part of the supervisor's HTTP API that is about rollouts."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import msgspec

from atoll.platform.local.server import Call, Refusal
from atoll.platform.rollout import Rollout, Rollouts, Wanted


class Order(msgspec.Struct):
    """The body of POST /v1/rollouts."""

    service: str
    release: str
    wanted: Wanted = Wanted()


async def answer(rollouts: Rollouts, call: Call, after: int, wait: float) -> object:
    """What is under /v1/rollouts. after, wait: of a long poll. Trouble for what cannot be done."""
    match call.method, call.path[2:]:
        case "GET", ():
            return {"rollouts": [brief(one) for one in rollouts.latest().values()]}
        case "POST", ():
            order = msgspec.json.decode(call.body, type=Order)
            return await rollouts.begin(order.service, order.release, order.wanted)
        case "GET", (service,):
            return {"rollouts": [brief(one) for one in rollouts.history(service)]}
        case "GET", (service, "latest"):
            rollouts.find(service)
            return await rollouts.after(service, after, wait)
        case "GET", (service, name):
            return rollouts.find(service, name)
        case "POST", (service, verb):
            return brief(await _ask(rollouts, service, verb))
        case _:
            raise Refusal(HTTPStatus.NOT_FOUND, "no such route")


async def _ask(rollouts: Rollouts, service: str, verb: str) -> Rollout:
    if verb == "rollback":
        return await rollouts.rollback(service)
    verbs = {
        "promote": rollouts.promote,
        "pause": rollouts.pause,
        "resume": rollouts.resume_paused,
        "abort": rollouts.abort,
    }
    if verb not in verbs:
        raise Refusal(HTTPStatus.NOT_FOUND, "no such route")
    return verbs[verb](service)


def brief(rollout: Rollout) -> dict[str, Any]:
    """A rollout without what happened on the way."""
    found: dict[str, Any] = msgspec.to_builtins(rollout)
    for name in ("entries", "points"):
        del found[name]
    return found
