"""A service's account at the broker may do what any of its releases does, before that release starts."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

import pytest

from atoll.contracts import Event
from atoll.contracts.asyncapi import asyncapi
from atoll.platform.local.accounts import Rights
from atoll.platform.local.granting import Granting
from atoll.platform.local.parts import BrokerPart
from atoll.platform.local.programs import TREE, Program
from atoll.platform.local.telling import Teller
from atoll.system import Nats, Service, System, Trouble

SYSTEM = System(
    "shop",
    services=(
        Service(
            "orders", command=("./orders",), events=True, publishes=("order.created",), consumes=("payment.captured",)
        ),
    ),
    broker=Nats(),
)


class Shipped(Event, subject="order.shipped"):
    order: str


class Delivered(Event, subject="parcel.delivered"):
    parcel: str


class Broker:
    limits = True

    def __init__(self) -> None:
        self.granted: dict[str, Rights] = {}

    async def grant(self, rights: Mapping[str, Rights]) -> None:
        self.granted |= rights


class OnShelf:
    """One release, whose documents name other events than the tree's."""

    def __init__(self, contract: Path) -> None:
        self._contract = contract

    def of(self, service: Service, release: str) -> Program:
        if release not in {TREE, "0123456789ab"}:
            raise Trouble(f"{service.name}: there is no release {release!r}")
        return Program(release, ("x",), (), self._contract, contract=self._contract)


@pytest.fixture
def contract(tmp_path: Path) -> Path:
    (tmp_path / "asyncapi.json").write_text(
        json.dumps(asyncapi("orders", version="2", publishes=[Shipped], consumes=[Delivered]))
    )
    return tmp_path


async def rights(contract: Path, releases: set[str]) -> Rights:
    broker = Broker()
    teller = Teller(lambda *_: None)
    granting = Granting(
        SYSTEM, contract, cast(BrokerPart, cast(Any, broker)), teller, OnShelf(contract), lambda _: releases
    )
    await granting.renew("orders")
    return broker.granted["orders"]


async def test_the_tree_alone_does_what_it_says(contract: Path) -> None:
    assert await rights(contract, {TREE}) == Rights(("order.created",), ("payment.captured",))


async def test_a_release_beside_it_may_do_its_own_too(contract: Path) -> None:
    found = await rights(contract, {TREE, "0123456789ab"})
    assert found == Rights(("order.created", "order.shipped"), ("payment.captured", "parcel.delivered"))


async def test_a_release_without_events_adds_nothing(contract: Path) -> None:
    (contract / "asyncapi.json").unlink()
    assert (await rights(contract, {"0123456789ab"})).publishes == ("order.created",)


async def test_a_release_that_is_not_there_is_one_line(contract: Path) -> None:
    with pytest.raises(Trouble, match="there is no release 'gone'"):
        await rights(contract, {"gone"})
