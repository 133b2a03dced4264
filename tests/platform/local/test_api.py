"""The supervisor's API: what a service may say of itself, and what it is told when that makes no sense."""

from __future__ import annotations

import json
from typing import Any, cast

import pytest

from atoll.platform.local.api import Api
from atoll.platform.local.registry import Registry
from atoll.platform.local.server import Call, Refusal

GOOD = "http://127.0.0.1:4001"


def api() -> tuple[Api, Registry]:
    registry = Registry(["orders"], lambda: None)
    return Api(registry, cast(Any, None), cast(Any, None), {"orders": "secret"}, "control"), registry


def call(method: str, *path: str, body: object = None, **query: str) -> Call:
    return Call(method, ("v1", "services", "orders", *path), query, json.dumps(body).encode(), "secret")


@pytest.mark.parametrize(
    "body",
    [
        {"url": "garbage"},
        {"url": ""},
        {"url": "file:///etc/passwd"},
        {"url": "http://elsewhere.example:80"},
        {"url": "http://127.0.0.1"},
        {"url": "http://127.0.0.1:99999"},
        {"url": f"{GOOD}/path"},
        {"url": GOOD, "weight": -1},
        {"url": GOOD, "weight": 2**40},
        {"url": GOOD, "release": "\0"},
    ],
)
async def test_an_instance_that_nobody_could_reach_is_not_registered(body: dict[str, object]) -> None:
    served, registry = api()
    with pytest.raises(Refusal, match=r"url is|weight is|release is"):
        await served.answer(call("PUT", "instances", "orders-1", body=body))
    assert registry.get("orders").endpoints == ()
    await served.answer(call("PUT", "instances", "orders-1", body={"url": GOOD, "weight": 0}))
    assert [one.url for one in registry.get("orders").endpoints] == [GOOD]


@pytest.mark.parametrize("number", ["nan", "soon", ""])
@pytest.mark.parametrize("name", ["after", "wait"])
async def test_a_long_poll_with_something_else_than_numbers_is_refused(name: str, number: str) -> None:
    served, _ = api()
    with pytest.raises(Refusal, match=f"{name} must be a number"):
        await served.answer(call("GET", **{"after": "0", "wait": "0", name: number}))
