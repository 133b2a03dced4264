"""The layer that chooses an endpoint for each attempt."""

from __future__ import annotations

from typing import Any

from atoll.discovery import Balancer, Endpoint
from atoll.discovery.balance import FIRST_WAIT, Load
from atoll.discovery.wishes import HEADER, wished_release
from atoll.resilience import Breakers, NotSent, Outcome, classify
from atoll.service import Handler, Layer, Request


def balance(balancer: Balancer, breakers: Breakers) -> Layer:
    """Puts the chosen `Endpoint` and its `Load` into the request's scope; a repeat goes to another one where there is another."""

    def usable(endpoint: Endpoint) -> bool:
        return breakers.available(endpoint.url)

    def layer(inner: Handler) -> Handler:
        async def balanced(request: Request) -> Any:
            scope = request.scope
            wish = request.headers.get(HEADER)
            release = "" if wish is None else wished_release(wish, balancer.service)
            known = usable if breakers.troubled else None
            load = balancer.pick(tried=scope.get(Endpoint), usable=known, release=release)
            if load is None and await balancer.ready(min(FIRST_WAIT, request.remaining() / 2)):
                load = balancer.pick(usable=usable, release=release)
            if load is None:
                raise NotSent(f"{balancer.service} has no instance that answers now")
            scope[Endpoint] = load.endpoint
            scope[Load] = load
            began = load.begin()
            try:
                reply = await inner(request)
            except BaseException as failure:
                load.end(began, measured=classify(failure) is Outcome.REJECTED or load.slow(began))
                raise
            load.end(began)
            return reply

        return balanced

    return layer


def endpoint_url(request: Request) -> str:
    """Where the attempt goes: the breakers' key."""
    endpoint: Endpoint = request.scope[Endpoint]
    return endpoint.url
