"""What a service needs of its environment is checked before it starts, in one line each."""

from __future__ import annotations

import pytest

from atoll.contracts import Api, Event
from atoll.serve.environment import Environment
from atoll.serve.failure import CannotServe
from atoll.serve.parts import broker_of, database_of, refuse_unknown_callees
from atoll.service import Service


class Payments(Api):
    """Another service."""


class Happened(Event, subject="thing.happened"):
    id: int


CALLER = Service("orders", calls=[Payments])


def test_a_callee_that_the_system_does_not_declare_is_named() -> None:
    with pytest.raises(CannotServe, match=r"orders calls payments.*add calls=\('payments',\)"):
        refuse_unknown_callees(CALLER, Environment(registry_url="http://127.0.0.1:1"))


def test_a_callee_without_an_address_is_named() -> None:
    with pytest.raises(CannotServe, match="ATOLL_ENDPOINTS_PAYMENTS"):
        refuse_unknown_callees(CALLER, Environment())


@pytest.mark.parametrize(
    "environment",
    [
        Environment(registry_url="http://127.0.0.1:1", peer_keys={"payments": "s"}),
        Environment(endpoints={"payments": ("http://127.0.0.1:2",)}),
    ],
    ids=["registry", "static"],
)
def test_a_known_callee_is_fine(environment: Environment) -> None:
    refuse_unknown_callees(CALLER, environment)


@pytest.mark.parametrize(
    ("service", "complaint"),
    [
        (Service("a", publishes=[Happened]), "needs a database for its outbox"),
        (Service("a", migrations="a:migrations"), "ATOLL_DATABASE_URL"),
    ],
)
def test_a_missing_database_is_named(service: Service, complaint: str) -> None:
    with pytest.raises(CannotServe, match=complaint):
        database_of(service, Environment())


@pytest.mark.parametrize(("url", "complaint"), [("", "set ATOLL_BROKER_URL"), ("mqtt://x", "ATOLL_BROKER_URL")])
def test_a_missing_or_unknown_broker_is_named(url: str, complaint: str) -> None:
    with pytest.raises(CannotServe, match=complaint):
        broker_of(Service("a", publishes=[Happened]), Environment(broker_url=url))
