"""A value of the wrong type in system.py is one line: the place, the field, what to write."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from atoll import system as model
from atoll.contracts import Api
from atoll.system import Trouble
from atoll.system.load import load_system


class Orders(Api):
    """Nothing in it."""


# What a type checker would refuse, it must not see.
untyped: Any = model
Cors, Gateway, Postgres = untyped.Cors, untyped.Gateway, untyped.Postgres
Nats, Kafka = untyped.Nats, untyped.Kafka
Route, Service, System = untyped.Route, untyped.Service, untyped.System
ORDERS: Any = Orders


def service(**options: object) -> Any:
    return Service("payments", **options)


WRONG: list[tuple[Callable[[], object], str]] = [
    (lambda: service(instances="3"), "Service 'payments': instances='3' is text; write instances=3"),
    (lambda: service(instances=True), "instances=True is True or False; it must be a whole number"),
    (lambda: service(instances=1.5), "instances=1.5 is a number; it must be a whole number"),
    (lambda: service(offers=Orders), "offers=Orders is no tuple; write offers=(Orders,) with a comma"),
    (
        lambda: service(offers=(ORDERS(None),)),
        "which is an Orders; it must be a tuple, each item a class that derives from Api",
    ),
    (lambda: service(calls="payments"), "calls='payments' is no tuple; write calls=('payments',) with a comma"),
    (lambda: service(command="./run"), "command='./run' is no tuple; write command=('./run',) with a comma"),
    (lambda: service(database="yes"), "database='yes' is neither True nor False; write database=True, or leave it out"),
    (lambda: service(serve=None), "serve=None is None; it must be text"),
    (lambda: service(environment={"A": 1}), "environment={'A': 1} is a dict; it must be a dict from text to text"),
    (
        lambda: Gateway(routes=Route(Orders)),
        "Gateway: routes=Route(...) is no tuple; write routes=(Route(...),) with a comma",
    ),
    (lambda: Gateway(port="8080"), "Gateway: port='8080' is text; write port=8080"),
    (lambda: Cors(origins="https://a.example"), "Cors: origins='https://a.example' is no tuple"),
    (lambda: Route(3), "Route: target=3 is a whole number; it must be a class that derives from Api or text"),
    (
        lambda: System("demo", postgres=True),
        "System 'demo': postgres=True is no Postgres; write postgres=Postgres(...)",
    ),
    (lambda: System("demo", services=(service(), "x")), "services=(Service(...), 'x') has 'x' in it, which is text"),
    (
        lambda: System("demo", broker=Postgres("postgresql://a:hunter2@b")),
        "broker=Postgres(...) is a Postgres; it must be Nats(...) or RabbitMQ(...) or Kafka(...)",
    ),
    (
        lambda: System("demo", broker=(Nats(), Kafka())),
        "broker=(Nats(...), Kafka(...)) is a tuple; it must be Nats(...) or RabbitMQ(...) or Kafka(...)",
    ),
    (lambda: System("demo", broker="kafka"), "broker='kafka' is text; it must be Nats(...) or RabbitMQ(...)"),
    (lambda: Nats(("nats://a:hunter2@b",)), "Nats: address=... is a tuple; it must be text"),
    (lambda: System(3), "System: name=3 is a whole number; it must be text"),
]


@pytest.mark.parametrize(("make", "line"), WRONG, ids=[line for _, line in WRONG])
def test_a_wrong_type_is_one_line(make: Callable[[], object], line: str) -> None:
    with pytest.raises(Trouble) as caught:
        make()
    assert str(caught.value).startswith("test_types.py:")
    assert line in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_lists_and_whole_numbers_for_fractions_are_taken() -> None:
    system = System("demo", services=[service(calls=["a"])], broker=Nats())
    assert replace(system, name="other").services == system.services
    assert Route("/a", to="a", timeout=3).timeout == 3


MODEL = """from atoll.system import Service, System

system = System("demo", services=(
    Service("a", {wrong}),
))
"""


@pytest.mark.parametrize("wrong", ['instances="3"', 'calls=("payments")', 'database="yes"'])
def test_the_place_is_that_of_the_file(tmp_path: Path, wrong: str) -> None:
    file = tmp_path / "system.py"
    file.write_text(MODEL.format(wrong=wrong), "utf-8")
    with pytest.raises(Trouble, match=r"^system\.py:4: Service 'a': "):
        load_system(file)
