"""Which broker it is shows in what the commands print and in what services are told, and nowhere else."""

from __future__ import annotations

from ipaddress import ip_address

import pytest
from tests.system.local_system import LocalSystem
from tests.system.shopper import Shopper

pytestmark = pytest.mark.every_broker
SCHEMES = {"nats": "nats", "rabbitmq": "amqp", "kafka": "kafka"}


def test_services_are_told_the_broker_each_with_a_password_of_its_own(shop: LocalSystem, broker: str) -> None:
    urls = {service: shop.environment(service).get("ATOLL_BROKER_URL", "") for service in ("orders", "payments")}
    for service, url in urls.items():
        assert url.startswith(f"{SCHEMES[broker]}://{service}:"), service
    assert len({url.split("@")[0].rpartition(":")[2] for url in urls.values()}) == 2
    assert "ATOLL_BROKER_URL" not in shop.environment("auth")


def test_the_broker_is_a_part_by_its_name(shop: LocalSystem, ada: Shopper, broker: str) -> None:
    ada.wait_for(ada.place()["id"], "confirmed")
    assert set(shop.look()["parts"]) == {"postgres", broker, "envoy"}
    shown = shop.must("ps", broker).splitlines()[1]
    assert shown.startswith(broker)
    assert f"{SCHEMES[broker]}://127.0.0.1:" in shown
    assert "@" not in shown
    assert broker in shop.must("logs", broker)


def test_it_listens_on_nothing_but_the_loopback(shop: LocalSystem) -> None:
    found = shop.listening()
    assert len(found) >= 6
    assert {ip for ip, _ in found if not ip_address(ip.removeprefix("::ffff:")).is_loopback} == set()


def test_no_password_is_in_a_command_line(shop: LocalSystem) -> None:
    password = shop.environment("orders")["ATOLL_BROKER_URL"].split("@")[0].rpartition(":")[2]
    assert [line for line in shop.processes().values() if password in line] == []
