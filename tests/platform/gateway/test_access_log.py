from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

from tests.platform.gateway.harness import Backend, Gateway, Issuer
from tests.platform.gateway.systems import shop


async def logged(gateway: Gateway, request_id: str) -> dict[str, Any]:
    """The log's line of that request; Envoy writes it within its flush interval."""
    async with asyncio.timeout(5):
        while (line := logged_now(gateway.files.options.access_log, request_id)) is None:
            await asyncio.sleep(0.02)
    return line


def logged_now(log: str, request_id: str) -> dict[str, Any] | None:
    found = [line for line in Path(log).read_text().splitlines() if request_id in line]
    return json.loads(found[0]) if found else None


async def test_a_request_is_one_line_without_query_or_token(
    gateway: Gateway, auth: Backend, orders: Backend, issuer: Issuer
) -> None:
    await gateway.open(shop(), auth=auth, orders=orders)
    token = issuer.token(sub="u-9")
    await gateway.accepted(token)
    answer = await gateway.ask("GET", "/orders/o-1?code=hidden", token=token)
    line = await logged(gateway, answer.headers["x-request-id"])
    assert (line["method"], line["path"], line["status"]) == ("GET", "/orders/o-1", 200)
    assert (line["route"], line["service"], line["instance"]) == ("orders.get", "orders", "orders-1")
    assert (line["subject"], line["release"]) == ("u-9", "r1")
    assert line["trace_id"] == orders.last["traceparent"].split("-")[1]
    assert "hidden" not in str(line)
    assert token not in str(line)
    assert "s3cret" not in str(line)


async def test_a_refusal_says_why(gateway: Gateway) -> None:
    await gateway.open(shop())
    answer = await gateway.ask("GET", "/orders/1")
    line = await logged(gateway, answer.headers["x-request-id"])
    assert line["status"] == 401
    assert "Jwt_is_missing" in line["reason"]
