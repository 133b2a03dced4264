from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from atoll.contracts import PUBLIC, Api, Operation, RateLimit
from atoll.system import (
    BlueGreen,
    Canary,
    Gateway,
    Jwt,
    Kafka,
    Nats,
    Postgres,
    RabbitMQ,
    Rolling,
    Route,
    Service,
    System,
)
from atoll.system.checks import check
from atoll.system.servers import location


class Shop(Api):
    buy = Operation("POST /buy", None, str)
    look = Operation("GET /look", None, str, access=PUBLIC)


class Other(Api):
    look = Operation("GET /look", None, str, access=PUBLIC)


class Empty(Api):
    pass


def service(name: str = "shop", **options: object) -> Service:
    given: dict[str, object] = {"serve": "shop:service", **options}
    return Service(name, **given)  # type: ignore[arg-type]


GOOD = System(
    "good",
    services=(service(offers=(Shop,), calls=("auth",), database=True, events=True), service("auth")),
    gateway=Gateway(routes=(Route(Shop), Route("/auth", to="auth", public=True)), jwt=Jwt("auth", "issuer", "good")),
    postgres=Postgres(),
    broker=Nats(),
)


def texts(system: System, folder: Path | None = None) -> list[str]:
    findings = check(system, folder)
    assert all(finding.place.startswith("test_checks.py:") for finding in findings)
    return [finding.text for finding in findings]


def routed(*routes: Route) -> System:
    return replace(GOOD, gateway=replace(GOOD.gateway or Gateway(), routes=routes))


def test_a_good_system_has_no_findings() -> None:
    assert check(GOOD) == ()


def test_a_finding_names_the_line_of_its_node() -> None:
    wrong = service("Shop")
    (finding,) = check(System("good", services=(wrong,)))
    assert str(finding).startswith(f"{wrong.place}: Service 'Shop': a name is a lower-case word")
    assert wrong.place.startswith("test_checks.py:")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (service("9shop"), "Service '9shop': a name is"),
        (service("a--b"), "Service 'a--b': a name is"),
        (service("x" * 41), "a name is a lower-case word of at most 40"),
        (service("kafka"), "Service 'kafka': the name belongs to a part of the system"),
        (service("postgres"), "Service 'postgres': the name belongs to a part of the system"),
        (Service("shop"), "Service 'shop' has none of serve, asgi, command; give exactly one"),
        (service(asgi="a:b"), "Service 'shop' has serve and asgi; give exactly one"),
        (service(serve="shop"), "serve='shop' must be like 'package.module:attribute'"),
        (service(instances=0), "instances is 0; it must be 1 or more"),
        (service(health="ready"), "health='ready' must be a path"),
        (service(calls=("shop",)), "Service 'shop' calls itself"),
        (service(calls=("nobody",)), "Service 'shop' calls 'nobody', which is not a service; known are shop"),
        (service(database=True), "has a database, but the system has no postgres"),
        (service(events=True), "has events, but the system has no broker; add broker=Nats() (or RabbitMQ(), Kafka())"),
    ],
)
def test_a_wrong_service_is_found(wrong: Service, text: str) -> None:
    (found,) = texts(System("good", services=(wrong,)))
    assert text in found


def test_two_services_of_one_name_are_found() -> None:
    assert (
        "Service 'shop' is there already (test_checks.py:" in texts(System("good", services=(service(), service())))[0]
    )


def test_a_contract_that_two_services_offer_is_found() -> None:
    (found,) = texts(System("good", services=(service(offers=(Shop,)), service("two", offers=(Shop,)))))
    assert found.startswith("Shop is offered by 'shop' (")


@pytest.mark.parametrize(
    ("route", "text"),
    [
        (Route(Other), "Route Other leads nowhere: no service offers it"),
        (Route(Other, to="auth"), "Route Other leads nowhere: 'auth' does not offer it"),
        (Route(Shop, to="nobody"), "Route Shop leads nowhere: 'nobody' is not a service"),
        (Route("/x"), "Route '/x' leads nowhere; say to=SERVICE"),
        (Route("/x", to="nobody"), "Route '/x' leads nowhere: 'nobody' is not a service"),
        (Route("x", to="auth"), "Route 'x': a prefix is a path"),
        (Route("/x", to="auth", timeout=-1), "timeout is -1 s"),
        (Route("/x", to="auth", rate_limit=RateLimit(0)), "RateLimit: 0 requests"),
    ],
)
def test_a_wrong_route_is_found(route: Route, text: str) -> None:
    (found,) = texts(routed(route))
    assert text in found


def test_a_contract_without_operations_leads_nowhere() -> None:
    system = replace(routed(Route(Empty)), services=(service("auth", offers=(Empty,)),))
    assert texts(system) == ["Route Empty leads nowhere: it has no operations; give it one"]


def test_two_routes_that_collide_are_found() -> None:
    system = routed(Route(Shop), Route(Other))
    system = replace(system, services=(*system.services, service("other", offers=(Other,))))
    (found,) = texts(system)
    assert found.startswith("Route Other: GET /look collides with GET /look of Shop (test_checks.py:")


def test_two_prefixes_that_differ_by_a_slash_collide() -> None:
    assert "collides" in texts(routed(Route("/a", to="auth"), Route("/a/", to="auth")))[0]


def test_a_route_that_needs_a_caller_needs_keys() -> None:
    system = replace(routed(Route("/a", to="auth")), gateway=Gateway(routes=(Route("/a", to="auth"),)))
    assert "needs a caller, but the gateway has no jwt" in texts(system)[0]


def test_keys_come_from_a_service() -> None:
    gateway = Gateway(jwt=Jwt("nobody", "issuer", "good"))
    assert texts(replace(GOOD, gateway=gateway)) == [
        "Jwt: 'nobody' is not a service; name the one that serves the keys"
    ]


def test_ports_that_clash_are_found() -> None:
    system = replace(GOOD, gateway=Gateway(port=4222), broker=Nats("nats://localhost"))
    assert texts(system) == ["Gateway: port 4222 is Nats's already; give one of them another"]
    assert "port 70000 is not a port" in texts(replace(GOOD, gateway=Gateway(port=70000)))[0]


def test_a_wrong_address_is_found_and_not_repeated() -> None:
    (found,) = texts(replace(GOOD, postgres=Postgres("mysql://root:secret@db")))
    assert found.startswith("Postgres: the address must be like 'postgresql://")
    assert "secret" not in found


@pytest.mark.parametrize(
    ("part", "scheme"),
    [
        (Nats("amqp://u:secret@h:1"), "nats"),
        (Nats("nats://u:secret@h:port"), "nats"),
        (RabbitMQ("nats://u:secret@h:1"), "amqp"),
        (Kafka("u:secret@h:9092"), "kafka"),
    ],
)
def test_an_address_that_is_not_the_brokers_is_found(part: Nats | RabbitMQ | Kafka, scheme: str) -> None:
    assert texts(replace(GOOD, broker=part)) == [
        f"{type(part).__name__}: the address must be like '{scheme}://user:password@host:port'"
    ]


@pytest.mark.parametrize(
    ("part", "place"),
    [
        (Nats("tls://h:1,tls://i:2"), ("h", 1)),
        (RabbitMQ("amqps://h"), ("h", 5671)),
        (Kafka("kafka+tls://u:p@h:9093,i:9094"), ("h", 9093)),
    ],
)
def test_a_clusters_first_server_is_where_it_is(part: Nats | RabbitMQ | Kafka, place: tuple[str, int]) -> None:
    assert texts(replace(GOOD, broker=part)) == []
    assert location(part) == place


def test_a_source_that_is_not_there_is_found(tmp_path: Path) -> None:
    (found,) = texts(System("good", services=(service(source="nowhere"),)), tmp_path)
    assert "source 'nowhere' is not a folder" in found


def test_all_findings_are_told_in_the_order_of_the_lines() -> None:
    first = service("A")
    second = service("B")
    assert [finding.place for finding in check(System("good", services=(second, first)))] == [first.place, second.place]


@pytest.mark.parametrize("hint", ["curl {gateway}/x -d '{\"a\": {}}' $TOKEN ${token} {TOKEN} | awk '{ print }'", ""])
def test_a_hint_may_hold_json_and_shell(hint: str) -> None:
    assert texts(replace(GOOD, hints=(hint,))) == []


def test_a_placeholder_of_a_hint_that_stands_for_nothing_is_found() -> None:
    (text,) = texts(replace(GOOD, hints=("curl {gatway}/x", "curl {gateway}/x")))
    assert text.startswith("System 'good': a hint has {gatway}, which stands for nothing; correct it to {gateway}")
    (text,) = texts(System("good", hints=("curl {gateway}/x",)))
    assert "there is no gateway" in text


@pytest.mark.parametrize(
    ("strategy", "text"),
    [
        (Canary(steps=()), "steps are missing; take 1 to 100, such as 5,25,50,100"),
        (Canary(steps=(5, 5, 100)), "steps are 5,5,100; each must be more than the one before"),
        (Canary(steps=(0, 100)), "steps are 0,100; each is a percent of 1 to 100"),
        (Canary(steps=(5, 50)), "steps are 5,50; the last one must be 100"),
        (Rolling(interval=0), "interval is 0 s; it must be more than 0 and at most a day"),
        (BlueGreen(warm=-1), "warm is -1 s; it must be 0 to a day"),
        (Canary(max_errors=100), "max_errors is 100 %; it must be at least 0 and less than 100"),
        (Canary(max_p99=0.5), "max_p99 is 0.5; it must be at least 1, such as 1.5"),
        (Canary(shadow=101), "shadow is 101 %; it must be 0 to 100"),
    ],
)
def test_a_strategy_that_cannot_be_is_found(strategy: Canary | BlueGreen | Rolling, text: str) -> None:
    (found,) = texts(System("good", services=(service(rollout=strategy),)))
    assert found == f"Service 'shop': {type(strategy).__name__}: {text}"
