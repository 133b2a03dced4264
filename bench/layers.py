"""What each layer costs a call: its time over the bare handler, in microseconds, and the default stacks as a whole.

The handler waits once for the event loop, as a call over the network does (and once not at all). Hooks are attached, nothing
fails. Beside: tenacity, stamina, pybreaker and purgatory around the same handler, each doing its one part.

    python -m bench.layers [--calls 20000] [--json]
"""

from __future__ import annotations

import asyncio
import json
import platform
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import uvloop

from atoll.contracts import PUBLIC, Api, Message, Operation, RateLimit
from atoll.contracts.policies import AdaptivePolicy, CallPolicy, HedgePolicy, OperationPolicy, ServerPolicy
from atoll.discovery import Balancer, Endpoint, StaticRegistry
from atoll.resilience import ClientStacks, Record, ServerStacks
from atoll.service import Handler, Request, Resilience
from atoll.transport.http.client.channel import Calling, client_stacks
from atoll.transport.http.client.writing import Written
from bench.comparison.arguments import Parser, count

CALLS = 20_000
ROUNDS = 7
FOUND: dict[str, float] = {}  # what was measured
TITLE = [""]  # of the table that is being measured
QUIET = "--json" in sys.argv
CLIENT_LIMIT, SERVER_LIMIT = 15.0, 10.0  # microseconds


WRITTEN = Written("/look", b"", "")


class Empty(Message):
    """Nothing."""


class Payments(Api):
    look = Operation("GET /look", Empty, Empty, access=PUBLIC)


def hook(_: Record) -> None:
    """Somebody listens."""


async def at_once(_: Request) -> int:
    return 1


async def after_a_turn(_: Request) -> int:
    await asyncio.sleep(0)
    return 1


def request() -> Request:
    made = Request("payments.look", None, operation=Payments.look, deadline=time.monotonic() + 5)
    made.scope[Written] = WRITTEN
    return made


async def measured(handler: Handler, calls: int) -> float:
    """Microseconds a call, the best round."""
    best = float("inf")
    for _ in range(ROUNDS):
        began = time.perf_counter()
        for _ in range(calls):
            await handler(request())
        best = min(best, time.perf_counter() - began)
    return best / calls * 1e6


async def measured_function(function: Callable[[], Awaitable[Any]], calls: int) -> float:
    async def handler(_: Request) -> Any:
        return await function()

    return await measured(handler, calls)


def others(inner: Handler) -> Iterator[tuple[str, Callable[[], Awaitable[Any]]]]:
    """The same call through other libraries."""
    import pybreaker
    import stamina
    import tenacity
    from purgatory import AsyncCircuitBreakerFactory

    async def call() -> Any:
        return await inner(request())

    yield "tenacity: retry", tenacity.retry(stop=tenacity.stop_after_attempt(3))(call)
    yield "stamina: retry", stamina.retry(on=OSError, attempts=3)(call)
    breaker = pybreaker.CircuitBreaker()

    async def checked() -> Any:  # its own call_async needs Tornado, so this is the synchronous part of it
        breaker.call(int)
        return await call()

    yield "pybreaker: breaker", checked
    yield "purgatory: breaker", AsyncCircuitBreakerFactory()("payments")(call)


def say(line: str) -> None:
    if not QUIET:
        print(line)


def note(name: str, microseconds: float) -> None:
    FOUND[f"{TITLE[0]}: {name.strip()} us"] = microseconds


async def table(title: str, inner: Handler, calls: int) -> None:
    bare = await measured(inner, calls)
    TITLE[0] = title
    note("bare handler", bare)
    say(f"\n{title}: bare handler {bare:.2f} us")
    known = {"payments": [Endpoint(f"http://{number}", str(number)) for number in range(3)]}
    balancer = Balancer("payments", StaticRegistry(known))
    await balancer.start()
    await balancer.ready()
    calling = Calling(Resilience(), hook=hook)
    client = client_stacks(balancer, calling, calling.resilience.client)
    await rows("client, default", client_layers(client, CallPolicy()), inner, bare, calls, CLIENT_LIMIT)
    extra = client_layers(client, CallPolicy(attempt=1.0, hedge=HedgePolicy(at_least=10**9), coalesce=True))
    for name in ("coalesce", "attempt", "hedge"):
        await row(f"  {name} (declared)", extra[name], inner, bare, calls)
    server = ServerStacks(ServerPolicy(), hook=hook).of(Payments.look, OperationPolicy())
    await rows("server, default", {named.name: named.layer for named in server}, inner, bare, calls, SERVER_LIMIT)
    declared = OperationPolicy(in_flight=10, adaptive=AdaptivePolicy(), rate_limit=RateLimit(10**9))
    more = {one.name: one.layer for one in ServerStacks(ServerPolicy(), hook=hook).of(Payments.look, declared)}
    for name in ("rate_limit", "limit", "adaptive"):
        await row(f"  {name} (declared)", more[name], inner, bare, calls)
    for name, function in others(inner):
        cost = await measured_function(function, calls) - bare
        note(name, cost)
        say(f"  {name:<28}{cost:>8.2f}")
    await balancer.stop()


def client_layers(stacks: ClientStacks, call: CallPolicy) -> dict[str, Callable[[Handler], Handler]]:
    return {named.name: named.layer for named in stacks.default(call, 5.0)}


async def rows(
    title: str,
    layers: dict[str, Callable[[Handler], Handler]],
    inner: Handler,
    bare: float,
    calls: int,
    limit: float,
) -> None:
    whole = inner
    for layer in reversed(layers.values()):
        whole = layer(whole)
    cost = await measured(whole, calls) - bare
    note(title, cost)
    say(f"{title:<30}{cost:>8.2f}  {'within' if cost <= limit else 'OVER'} {limit:g} us")
    for name, layer in layers.items():
        await row(f"  {name}", layer, inner, bare, calls)


async def row(name: str, layer: Callable[[Handler], Handler], inner: Handler, bare: float, calls: int) -> None:
    """One layer alone; the breaker needs an endpoint, which the balancer chooses: its row is that of a chosen one."""
    around = layer(inner)
    if name.strip() == "breaker":
        around, bare = chosen(around), await measured(chosen(inner), calls)
    cost = await measured(around, calls) - bare
    note(name, cost)
    say(f"{name:<30}{cost:>8.2f}")


def chosen(handler: Handler) -> Handler:
    endpoint = Endpoint("http://0")

    async def with_endpoint(given: Request) -> Any:
        given.scope[Endpoint] = endpoint
        return await handler(given)

    return with_endpoint


async def main(calls: int) -> None:
    say(f"{platform.machine()}, Python {platform.python_version()}, uvloop; microseconds over the bare handler")
    await table("waits once", after_a_turn, calls)
    await table("answers at once", at_once, calls)


if __name__ == "__main__":
    parser = Parser(description=__doc__)
    parser.add_argument("--calls", type=count, default=CALLS)
    parser.add_argument("--json", action="store_true")
    uvloop.run(main(parser.parse_args().calls))
    if QUIET:
        print(json.dumps(FOUND))
