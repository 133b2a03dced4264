from __future__ import annotations

import asyncio
import json
import stat
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tests.platform.gateway.conftest import running_envoy
from tests.platform.gateway.harness import Backend, Gateway, backend, client_builder, free_ports
from tests.platform.gateway.systems import shop

from atoll.platform.gateway import (
    GatewayControl,
    GatewayFiles,
    GatewayOptions,
    GatewayUnreachable,
    Snapshot,
    SnapshotRefused,
    compile_snapshot,
)
from atoll.system import Route


def with_unknown_cluster_field(good: Snapshot) -> Snapshot:
    return replace(good, clusters=({**good.clusters[0], "no_such_field": 1}, *good.clusters[1:]))


def with_broken_route(good: Snapshot) -> Snapshot:
    routes = json.loads(json.dumps(good.routes))
    routes[0]["virtual_hosts"][0]["routes"][0]["match"] = {"safe_regex": {"regex": "("}}
    return replace(good, routes=tuple(routes))


def with_broken_listener(good: Snapshot) -> Snapshot:
    listeners = json.loads(json.dumps(good.listeners))
    manager = listeners[0]["filter_chains"][0]["filters"][0]["typed_config"]
    manager["http_filters"].insert(0, {"name": "nonsense", "typed_config": {"@type": "type.googleapis.com/no.Such"}})
    return replace(good, listeners=tuple(listeners))


def with_broken_endpoints(good: Snapshot) -> Snapshot:
    address = {"socket_address": {"address": "not an address", "port_value": 1}}
    assignment = {"cluster_name": "orders", "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}]}
    return replace(good, endpoints={**good.endpoints, "orders": assignment})


def with_broken_new_service(good: Snapshot) -> Snapshot:
    cluster = {**good.clusters[0], "name": "fresh", "connect_timeout": "-1s"}
    return replace(
        good, clusters=(*good.clusters, cluster), endpoints={**good.endpoints, "fresh": {"cluster_name": "fresh"}}
    )


@pytest.mark.parametrize(
    ("broken", "words"),
    [
        (with_unknown_cluster_field, "no_such_field"),
        (with_broken_route, "regex|missing"),
        (with_broken_listener, "no.Such"),
        (with_broken_endpoints, "not an address|malformed"),
        (with_broken_new_service, "(?i)duration"),
    ],
)
async def test_what_envoy_refuses_never_replaces_the_last_good_one(
    gateway: Gateway, orders: Backend, broken: Any, words: str
) -> None:
    good = await gateway.open(shop(), orders=orders)
    files = {path: path.read_bytes() for path in gateway.files.folder.glob("*/*.json")}
    with pytest.raises(SnapshotRefused, match=words) as refused:
        await gateway.control.publish(broken(good))
    assert "\n" not in str(refused.value)
    assert gateway.control.current is good
    assert (await gateway.ask("GET", "/price")).status == 200
    now = {path: path.read_bytes() for path in gateway.files.folder.glob("*/*.json")}
    assert now == files
    routes = (Route("/more", to="orders", public=True),)
    await gateway.open(shop(routes=routes), orders=orders)  # and the next good one is taken
    assert (await gateway.ask("GET", "/more/x")).status == 200


def test_a_snapshot_checks_itself(gateway_files: GatewayFiles) -> None:
    good = compile_snapshot(shop(), {}, gateway_files.options)
    assert good.problems() == ()
    assert any("orders" in line for line in replace(good, clusters=good.clusters[:1]).problems())
    assert any("no endpoints" in line for line in replace(good, endpoints={}).problems())
    assert any("secret" in line for line in replace(good, secrets={}).problems())
    assert any("routes" in line for line in replace(good, routes=()).problems())
    assert any("more than once" in line for line in replace(good, clusters=good.clusters * 2).problems())


async def test_an_inconsistent_snapshot_does_not_reach_envoy(gateway: Gateway, orders: Backend) -> None:
    good = await gateway.open(shop(), orders=orders)
    with pytest.raises(SnapshotRefused, match="leads to cluster 'orders'"):
        await gateway.control.publish(replace(good, clusters=good.clusters[:1], endpoints={}, secrets={}))
    assert (await gateway.ask("GET", "/price")).status == 200


async def test_equal_models_have_equal_versions(gateway_files: GatewayFiles) -> None:
    one, two = (compile_snapshot(shop(), {}, gateway_files.options) for _ in range(2))
    assert one.version == two.version
    assert one.version != compile_snapshot(shop(body_limit=7), {}, gateway_files.options).version
    assert "s3cret" not in repr(one)


async def test_services_come_and_go(gateway: Gateway, orders: Backend) -> None:
    async with backend() as catalog:
        await gateway.open(shop(), orders=orders, catalog=catalog)
        assert (await gateway.ask("GET", "/catalog/x")).status == 200
        system = shop()
        assert system.gateway is not None
        without = replace(system, gateway=replace(system.gateway, routes=system.gateway.routes[:2]))
        await gateway.open(without, orders=orders)
        assert (await gateway.ask("GET", "/catalog/x")).status == 404
        assert not (gateway.files.folder / "eds" / "catalog.json").exists()
        await gateway.open(shop(), orders=orders, catalog=catalog)
        assert (await gateway.ask("GET", "/catalog/x")).status == 200


async def test_a_changed_cluster_keeps_its_endpoints(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    options = replace(gateway.files.options, peer_secrets={"orders": "changed", "auth": "new"})
    await gateway.open(shop(), options, orders=orders)
    assert (await gateway.ask("GET", "/price")).status == 200
    while orders.last["atoll-peer"] != "gateway:changed":
        await gateway.ask("GET", "/price")
    await gateway.open(shop(), replace(options, peer_secrets={}), orders=orders)
    assert (await gateway.ask("GET", "/price")).status == 200
    assert "atoll-peer" not in orders.last


async def test_no_request_fails_while_instances_change(gateway: Gateway) -> None:
    failed: list[int] = []
    done = asyncio.Event()

    async def knock() -> None:
        while not done.is_set():
            status = (await gateway.ask("POST", "/quote", body=b"{}")).status
            if status != 200:
                failed.append(status)

    async with backend(name="a") as a, backend(name="b") as b:
        await gateway.open(shop(), orders=a)
        knocking = [asyncio.create_task(knock()) for _ in range(4)]
        for turn in range(20):
            limit = 5000 + turn  # the listener changes as well
            await gateway.open(shop(body_limit=limit), orders=[(a, b)[turn % 2].endpoint()])
        done.set()
        await asyncio.gather(*knocking)
        assert failed == []
        assert a.seen
        assert b.seen


def test_files_are_for_their_owner_alone(gateway_files: GatewayFiles) -> None:
    for path in gateway_files.folder.rglob("*.json"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path
    assert stat.S_IMODE(gateway_files.folder.stat().st_mode) == 0o700


def test_no_secret_is_in_argv_or_outside_its_file(gateway_files: GatewayFiles) -> None:
    snapshot = compile_snapshot(shop(), {}, gateway_files.options)
    assert "s3cret" not in " ".join(gateway_files.argv("envoy"))
    assert "s3cret" not in json.dumps([snapshot.listeners, snapshot.routes, snapshot.clusters])


async def test_the_admin_does_not_tell_secrets(gateway: Gateway, orders: Backend) -> None:
    await gateway.open(shop(), orders=orders)
    url = f"http://127.0.0.1:{gateway.files.options.admin_port}/config_dump?include_eds"
    text = await (await gateway.client.get(url).build().send()).text()
    assert "injected_credentials" in text
    assert "s3cret" not in text


async def test_an_envoy_that_is_away_is_one_line_and_the_last_good_files_stay(tmp_path: Path) -> None:
    port, admin_port = free_ports(2)
    files = GatewayFiles(tmp_path, GatewayOptions(port, admin_port))
    good = compile_snapshot(shop(), {}, files.options)
    files.install(good)
    before = files.read()
    control = GatewayControl(files, timeout=1.0)
    with pytest.raises(GatewayUnreachable, match=f"127.0.0.1:{admin_port}") as unreachable:
        await control.publish(compile_snapshot(shop(body_limit=9), {}, files.options))
    assert "\n" not in str(unreachable.value)
    assert files.read() == before
    with pytest.raises(GatewayUnreachable, match="within 1 s"):
        await control.ready()


async def test_an_installed_snapshot_is_what_envoy_starts_with_and_a_port_in_use_is_one_line(
    tmp_path: Path, gateway_files: GatewayFiles, orders: Backend
) -> None:
    port, admin_port = free_ports(2)
    files = GatewayFiles(tmp_path, GatewayOptions(port, admin_port))
    snapshot = compile_snapshot(shop(), {"orders": [orders.endpoint()]}, files.options)
    files.install(snapshot)
    with running_envoy(files):
        async with client_builder().build() as client:
            gateway = Gateway(files, client)
            await gateway.control.ready()
            await gateway.control.publish(snapshot)
            assert (await gateway.ask("GET", "/price")).status == 200
            taken = replace(files.options, port=orders.port)
            with pytest.raises(SnapshotRefused, match=r"(?i)address already in use|bind"):
                await gateway.control.publish(compile_snapshot(shop(), {"orders": [orders.endpoint()]}, taken))
            assert (await gateway.ask("GET", "/price")).status == 200


@pytest.mark.parametrize("broken", [with_broken_route, with_broken_listener, with_broken_endpoints])
async def test_a_first_snapshot_that_is_refused_leaves_an_envoy_that_takes_the_next(
    tmp_path: Path, orders: Backend, broken: Any
) -> None:
    port, admin_port = free_ports(2)
    files = GatewayFiles(tmp_path, GatewayOptions(port, admin_port))
    files.write_bootstrap()
    good = compile_snapshot(shop(), {"orders": [orders.endpoint()]}, files.options)
    with running_envoy(files):
        async with client_builder().build() as client:
            gateway = Gateway(files, client)
            await gateway.control.ready()
            with pytest.raises(SnapshotRefused):
                await gateway.control.publish(broken(good))
            assert gateway.control.current is None
            await gateway.control.publish(good)
            assert (await gateway.ask("GET", "/price")).status == 200
