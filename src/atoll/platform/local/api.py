"""The supervisor's HTTP API: the registry for services, the controls for the command line, on one loopback port.

The command line has a token, and so has each service, which may change nothing but its own instances.
"""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from ipaddress import ip_address
from math import isnan, nan
from typing import Protocol
from urllib.parse import urlsplit

import msgspec

from atoll.platform.local import rollout_routes
from atoll.platform.local.faults import FaultBook, FaultOrder
from atoll.platform.local.registry import DEFAULT_WEIGHT, Listed, Registry
from atoll.platform.local.server import Call, Refusal
from atoll.platform.rollout import Rollouts
from atoll.system import Trouble

LONGEST_WAIT = 60.0  # seconds of a long poll
MOST_WEIGHT = 1_000_000  # a sum of thousands of them is still a number for Envoy (32 bits)


class Controls(Protocol):
    """What the command line can ask of a running system."""

    rollouts: Rollouts

    def status(self) -> dict[str, object]: ...

    def request_stop(self) -> None: ...

    async def wait_ready(self, seconds: float) -> bool: ...

    async def scale(self, service: str, instances: int) -> None: ...

    async def restart(self, service: str) -> None: ...

    async def settle(self) -> None: ...


class Registration(msgspec.Struct):
    """The body of PUT /v1/services/{name}/instances/{instance}."""

    url: str
    release: str = "dev"
    weight: int = DEFAULT_WEIGHT


class Scale(msgspec.Struct):
    """The body of POST /v1/scale."""

    service: str
    instances: int


class Restart(msgspec.Struct):
    """The body of POST /v1/restart. service "": all of them."""

    service: str = ""


class FaultClear(msgspec.Struct):
    """The body of POST /v1/faults/clear. edge "": all of them."""

    edge: str = ""


class Api:
    """Answers the calls. tokens: what each service shows; the command line shows the control token."""

    def __init__(
        self, registry: Registry, faults: FaultBook, controls: Controls, tokens: Mapping[str, str], control_token: str
    ) -> None:
        self._registry = registry
        self._faults = faults
        self._controls = controls
        self._tokens = tokens
        self._control_token = control_token

    async def answer(self, call: Call) -> object:
        try:
            return await self._route(call)
        except Trouble as trouble:
            raise Refusal(HTTPStatus.CONFLICT, str(trouble), trouble.details) from None
        except msgspec.DecodeError as error:
            raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, str(error)) from None

    async def _route(self, call: Call) -> object:
        if call.path[:2] == ("v1", "services"):
            self._require(call, *self._tokens.values(), self._control_token)
            return await self._services(call)
        if call.method == "GET" and call.path[:2] == ("v1", "faults") and len(call.path) == 3:
            self._require(call, *self._tokens.values(), self._control_token)
            return await self._faults.of(call.path[2], int(_seconds(call, "after", 2**53)), _seconds(call, "wait"))
        self._require(call, self._control_token)
        if call.path[:2] == ("v1", "faults"):
            return self._order(call)
        if call.path[:2] == ("v1", "rollouts"):
            after, wait = int(_seconds(call, "after", 2**53)), _seconds(call, "wait")
            return await rollout_routes.answer(self._controls.rollouts, call, after, wait)
        match call.method, call.path:
            case "GET", ("v1", "status"):
                return self._controls.status()
            case "GET", ("v1", "ready"):
                return {"ready": await self._controls.wait_ready(_seconds(call, "wait"))}
            case "POST", ("v1", "stop"):
                self._controls.request_stop()
            case "POST", ("v1", "scale"):
                scale = msgspec.json.decode(call.body, type=Scale)
                await self._controls.scale(scale.service, scale.instances)
            case "POST", ("v1", "restart"):
                await self._controls.restart(msgspec.json.decode(call.body, type=Restart).service)
            case _:
                raise Refusal(HTTPStatus.NOT_FOUND, "no such route")
        return {"done": True}

    def _order(self, call: Call) -> object:
        match call.method, call.path[2:]:
            case "GET", ():
                pass
            case "POST", ():
                self._faults.add(msgspec.json.decode(call.body, type=FaultOrder))
            case "POST", ("clear",):
                self._faults.clear(msgspec.json.decode(call.body, type=FaultClear).edge)
            case _:
                raise Refusal(HTTPStatus.NOT_FOUND, "no such route")
        return {"faults": self._faults.listing()}

    async def _services(self, call: Call) -> object:
        if len(call.path) < 3 or call.path[2] not in self._registry:
            raise Refusal(HTTPStatus.NOT_FOUND, "no such service")
        service = call.path[2]
        if call.method != "GET" and not call.shows(self._tokens[service], self._control_token):
            raise Refusal(HTTPStatus.FORBIDDEN, f"only {service} may register its own instances")
        match call.method, call.path[3:]:
            case "GET", ():
                if "after" not in call.query:
                    return self._registry.get(service)
                return await self._registry.after(service, int(_seconds(call, "after", 2**53)), _seconds(call, "wait"))
            case "PUT", ("instances", instance):
                body = msgspec.json.decode(call.body, type=Registration)
                _check(body)
                self._registry.put(service, Listed(body.url, instance, body.release, body.weight))
            case "DELETE", ("instances", instance):
                self._registry.remove(service, instance)
                await self._controls.settle()  # whoever leaves may count its time from here
            case _:
                raise Refusal(HTTPStatus.NOT_FOUND, "no such route")
        return self._registry.get(service)

    def _require(self, call: Call, *tokens: str) -> None:
        if not call.shows(*tokens):
            raise Refusal(HTTPStatus.UNAUTHORIZED, "a bearer token of this system is needed")


def _check(body: Registration) -> None:
    """What one service says of itself is told to all others, and to the gateway, which would take nothing new with it."""
    parts = urlsplit(body.url)
    try:
        ip_address(parts.hostname or "")
        well = parts.scheme == "http" and bool(parts.port) and not (parts.path or parts.query or parts.fragment)
    except ValueError:
        well = False
    if not well:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"url is {body.url!r}; it must be like http://127.0.0.1:4001")
    if not 0 <= body.weight <= MOST_WEIGHT:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"weight is {body.weight}; take 0 to {MOST_WEIGHT}")
    if not body.release.isprintable() or not body.release:
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"release is {body.release!r}; it must be a name")


def _seconds(call: Call, name: str, most: float = LONGEST_WAIT) -> float:
    """A number of the query, between 0 and ``most``."""
    try:
        number = float(call.query.get(name, "0"))
    except ValueError:
        number = nan
    if isnan(number):
        raise Refusal(HTTPStatus.UNPROCESSABLE_ENTITY, f"{name} must be a number")
    return min(max(number, 0.0), most)
