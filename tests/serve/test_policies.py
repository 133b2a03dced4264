"""Policies from the environment, and the stacks that a service says are in force."""

from __future__ import annotations

import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest
from tests.resilience.calls import Empty, Orders, Payments

from atoll.contracts import PUBLIC, Api, Operation, RateLimit
from atoll.resilience import CallPolicy, HedgePolicy, RetryPolicy
from atoll.serve.describe import describe_stacks
from atoll.serve.failure import CannotServe
from atoll.serve.policies import resilience_of
from atoll.service import Resilience, Service, implements


class Shop(Api):
    quote = Operation("POST /quote", Empty, Empty, access=PUBLIC)


@implements(Shop.quote)
async def quote(command: Empty) -> Empty:
    return command


def service(resilience: Resilience | None = None) -> Service:
    return Service("shop", handlers=[quote], calls=[Payments], resilience=resilience)


def read(**values: str) -> Resilience:
    return resilience_of(service(), {f"ATOLL_RESILIENCE_{name}": value for name, value in values.items()})


def test_without_variables_the_code_says_what_holds() -> None:
    own = Resilience(calls={Payments.look: CallPolicy(attempt=1)})
    assert resilience_of(service(own), {"PATH": "x"}) is own


def test_variables_reach_every_number() -> None:
    found = read(
        SERVER__IN_FLIGHT="500",
        SERVER__SHED__CPU="0.8",
        SERVER__RATE_LIMIT__REQUESTS="10",
        OPERATION__QUOTE__IN_FLIGHT="50",
        OPERATION__QUOTE__ADAPTIVE="on",
        CLIENT__RETRY__ATTEMPTS="2",
        CLIENT_OF__PAYMENTS__IN_FLIGHT="100",
        CALL__PAYMENTS__LOOK__ATTEMPT="0.5",
        CALL__PAYMENTS__LOOK__HEDGE__SHARE="0.01",
        CALL__PAYMENTS__LOOK__COALESCE="on",
    )
    assert found.server.in_flight == 500
    assert found.server.shed is not None
    assert found.server.shed.cpu == 0.8
    assert found.server.rate_limit == RateLimit(10)
    assert found.operation_of(Shop.quote).in_flight == 50
    assert found.operation_of(Shop.quote).adaptive is not None
    assert found.client.retry == RetryPolicy(attempts=2)
    assert found.client_of(Payments).in_flight == 100
    assert found.client_of(Payments).retry == RetryPolicy(attempts=2)
    assert found.call_of(Payments.look) == CallPolicy(attempt=0.5, hedge=HedgePolicy(share=0.01), coalesce=True)


def test_variables_that_make_sense_together_are_taken_in_any_order() -> None:
    found = read(
        CLIENT__RETRY__BASE="2",
        CLIENT__RETRY__MOST="5",
        CLIENT__BREAKER__LONGEST="2",
        CLIENT__BREAKER__SHORTEST="1",
        OPERATION__QUOTE__ADAPTIVE__LEAST="100",
        OPERATION__QUOTE__ADAPTIVE__START="200",
    )
    assert (found.client.retry.base, found.client.retry.most) == (2.0, 5.0)
    assert (found.client.breaker.shortest, found.client.breaker.longest) == (1.0, 2.0)
    adaptive = found.operation_of(Shop.quote).adaptive
    assert adaptive is not None
    assert (adaptive.least, adaptive.start) == (100, 200)


def test_what_is_said_of_one_service_goes_before_what_is_said_of_all() -> None:
    found = read(CLIENT__IN_FLIGHT="50", CLIENT_OF__PAYMENTS__IN_FLIGHT="100")
    assert (found.client.in_flight, found.client_of(Payments).in_flight) == (50, 100)


def test_a_policy_can_be_switched_off() -> None:
    assert read(SERVER__SHED="off").server.shed is None


@pytest.mark.parametrize(
    ("name", "value", "why"),
    [
        ("SERVER__IN_FLIGHT", "many", "in_flight is 'many'; it must be a whole number"),
        ("SERVER__IN_FLIGHT", "0", "it must be at least 1"),
        ("SERVER__NOTHING", "1", "ServerPolicy has no 'nothing'; it has: in_flight, shed, rate_limit"),
        ("SERVER__IN_FLIGHT__MORE", "1", "in_flight is a number; nothing lies below it"),
        ("SERVER", "1", "it is not like SERVER__FIELD"),
        ("CALL__PAYMENT__LOOK__ATTEMPT", "1", "there is no 'payment' here; there are: payments"),
        ("CALL__PAYMENTS__LUK__ATTEMPT", "1", "there is no 'luk' here; there are: charge, keyed, look, feed"),
        ("CALL__PAYMENTS__LOOK__ATTEMPT", "-1", "attempt is -1 s; it must be more than 0"),
        ("CALL__PAYMENTS__LOOK__COALESCE", "maybe", "coalesce is 'maybe'; it is on or off"),
    ],
)
def test_a_wrong_variable_is_one_line_that_names_it(name: str, value: str, why: str) -> None:
    with pytest.raises(CannotServe) as refused:
        read(**{name: value})
    assert str(refused.value).startswith(f"ATOLL_RESILIENCE_{name}: ")
    assert why in str(refused.value)
    assert "\n" not in str(refused.value)


def test_what_does_not_fit_the_service_is_refused_from_the_environment_too() -> None:
    with pytest.raises(CannotServe, match="retry, but the operation is not idempotent"):
        read(CALL__PAYMENTS__CHARGE__RETRY__ATTEMPTS="5")
    with pytest.raises(CannotServe, match="an attempt of 3 s is longer than the deadline of 2 s"):
        read(CALL__PAYMENTS__CHARGE__ATTEMPT="3")


@pytest.fixture(name="target")
def target_fixture() -> Iterator[Any]:
    module = types.ModuleType("described_shop")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_the_stacks_in_force_are_those_of_code_and_environment(target: Any) -> None:
    target.service = service(Resilience(calls={Payments.look: CallPolicy(attempt=1)}))
    found = describe_stacks("described_shop:service", {"ATOLL_RESILIENCE_SERVER__IN_FLIGHT": "7", "ATOLL_FAULTS": "on"})
    assert [layer["name"] for layer in found["server"]["shop.quote"]] == ["shed", "bulkhead", "callee"]
    assert found["server"]["shop.quote"][1]["numbers"] == {"in_flight": 7}
    look = {layer["name"]: layer for layer in found["clients"]["payments.look"]}
    assert list(look) == ["deadline", "bulkhead", "retry", "attempt", "balance", "breaker", "fault"]
    assert look["attempt"]["numbers"] == {"seconds": 1}
    assert all(layer["why"] for layer in look.values())
    assert [layer["name"] for layer in found["clients"]["payments.feed"]][-3:] == ["balance", "breaker", "fault"]
    quiet = describe_stacks("described_shop:service", {})
    assert "fault" not in {layer["name"] for layer in quiet["clients"]["payments.look"]}


def test_a_stack_that_cannot_work_does_not_start(target: Any) -> None:
    target.service = service(Resilience(client_layers=lambda stack, _: stack.without("balance")))
    with pytest.raises(CannotServe, match="has no 'balance'"):
        describe_stacks("described_shop:service", {})
    target.service = service(Resilience(server_layers=lambda stack, _: stack.without("shedding")))
    with pytest.raises(CannotServe, match="no layer is named 'shedding'; there are: shed, bulkhead, callee"):
        describe_stacks("described_shop:service", {})
    assert Orders.operations_  # of another service: its policies have no place here
