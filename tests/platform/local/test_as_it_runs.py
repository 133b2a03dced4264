"""What counts as the contract that runs, and that a rollout's gate compares with it and with those who use it."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from atoll.platform.gate import write_contract
from atoll.platform.local import as_it_runs
from atoll.platform.local.as_it_runs import SNAPSHOT, AsItRuns, ReleaseGate
from atoll.platform.release import Release, Shelf
from atoll.system import Service, System, Trouble

SYSTEM = System(
    "shop",
    (
        Service("orders", source="orders", serve="shop_orders:service"),
        Service("payments", source="payments", serve="shop_payments:service", calls=("orders",)),
        Service("mail", source="mail", command=("./mail",)),
    ),
)
OLD, NEW, PAYMENTS = "a" * 12, "b" * 12, "c" * 12


def openapi(*paths: str, version: str = "1.0.0") -> dict[str, Any]:
    answers = {"200": {"description": "it", "content": {"application/json": {"schema": {"type": "object"}}}}}
    return {
        "openapi": "3.1.0",
        "info": {"title": "orders", "version": version},
        "paths": {path: {"get": {"operationId": path.strip("/"), "responses": answers}} for path in paths},
    }


class Instance(BaseHTTPRequestHandler):
    """An instance of the working tree that still serves what it was started with."""

    def do_GET(self) -> None:
        found = openapi("/orders", "/started") if self.path == "/openapi.json" else None
        self.send_response(200 if found else 404)
        self.end_headers()
        self.wfile.write(json.dumps(found or {}).encode())

    def log_message(self, *_: Any) -> None:
        """Nothing on the tests' terminal."""


@pytest.fixture
def instance() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Instance) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@pytest.fixture
def shelf(tmp_path: Path) -> Shelf:
    shelf = Shelf.beside(tmp_path / "system.py")
    calls = {"calls.json": {"orders": openapi("/orders")}}
    put(shelf, "orders", OLD, {"openapi.json": openapi("/orders", "/lists")})
    put(shelf, "orders", NEW, {"openapi.json": openapi("/lists", version="2.0.0")})
    put(shelf, "payments", PAYMENTS, calls)
    return shelf


def put(shelf: Shelf, service: str, id_: str, documents: dict[str, dict[str, Any]]) -> None:
    with shelf.bench(service) as folder:
        write_contract(documents, folder / "contract")
        shelf.put(Release(id_, service, "1.0.0", "", datetime(2026, 1, 1, tzinfo=UTC), folder, serve="it:service"))


@pytest.fixture
def tree(monkeypatch: pytest.MonkeyPatch) -> None:
    """The code of the working tree: ahead of what was started."""
    monkeypatch.setattr(
        as_it_runs, "documents_of_tree", lambda *_: {"openapi.json": openapi("/orders", version="3.0.0")}
    )


def on_the_shelf(service: str) -> str:
    return {"orders": OLD, "payments": PAYMENTS}.get(service, "dev")


def paths_of(runs: AsItRuns, service: str = "orders") -> set[str]:
    found = runs.running(service)
    assert found is not None
    return set(found.documents.openapi["paths"])


async def test_the_gate_names_whom_a_release_would_break(tmp_path: Path, shelf: Shelf) -> None:
    gate = ReleaseGate(AsItRuns(SYSTEM, tmp_path, shelf, on_the_shelf))
    (line,) = await gate.refusals("orders", OLD, NEW)
    assert line.startswith("operation orders is not offered any more; would break payments;")
    assert await gate.refusals("orders", OLD, OLD) == ()
    assert await gate.refusals("orders", NEW, OLD) == ()  # what is added breaks nobody


async def test_a_consumer_that_was_released_without_that_call_is_not_in_the_way(tmp_path: Path, shelf: Shelf) -> None:
    put(shelf, "payments", "d" * 12, {"calls.json": {"orders": openapi("/lists")}})
    newer = {"orders": OLD, "payments": "d" * 12}
    gate = ReleaseGate(AsItRuns(SYSTEM, tmp_path, shelf, lambda service: newer.get(service, "dev")))
    assert await gate.refusals("orders", OLD, NEW) == ()


async def test_a_foreign_service_that_says_nothing_of_itself_is_not_judged(tmp_path: Path, shelf: Shelf) -> None:
    runs = AsItRuns(SYSTEM, tmp_path, shelf, on_the_shelf)
    assert runs.running("mail") is None
    assert [found.documents.service for found in runs.others("orders")] == ["payments"]
    gate = ReleaseGate(runs)
    assert gate.judgement("mail", "dev", "dev") is None
    assert await gate.refusals("mail", "dev", "dev") == ()


async def test_a_release_that_is_not_there_is_one_line(tmp_path: Path, shelf: Shelf) -> None:
    gate = ReleaseGate(AsItRuns(SYSTEM, tmp_path, shelf, on_the_shelf))
    with pytest.raises(Trouble, match="there is no release 'eeeeeeeeeeee'"):
        await gate.refusals("orders", OLD, "e" * 12)


@pytest.mark.usefixtures("tree")
def test_an_instance_of_the_tree_is_asked_for_what_it_serves(tmp_path: Path, shelf: Shelf, instance: str) -> None:
    runs = AsItRuns(SYSTEM, tmp_path, shelf, lambda _: "dev", urls=lambda _: [instance])
    assert paths_of(runs) == {"/orders", "/started"}
    assert runs.contract("orders", "dev").label == "orders 3.0.0"  # type: ignore[union-attr]
    assert runs.running("orders").label == "orders 3.0.0 (dev)"  # type: ignore[union-attr]


@pytest.mark.usefixtures("tree")
def test_an_instance_that_does_not_answer_leaves_what_the_code_says(
    tmp_path: Path, shelf: Shelf, instance: str
) -> None:
    gone = instance.rpartition(":")[0] + ":1"
    assert paths_of(AsItRuns(SYSTEM, tmp_path, shelf, lambda _: "dev", urls=lambda _: [gone])) == {"/orders"}


@pytest.mark.usefixtures("tree")
def test_while_nothing_runs_the_committed_snapshot_is_what_was_released(tmp_path: Path, shelf: Shelf) -> None:
    runs = AsItRuns(SYSTEM, tmp_path, shelf, lambda _: "dev")
    assert paths_of(runs) == {"/orders"}  # nothing is committed: the code
    write_contract({"openapi.json": openapi("/committed")}, tmp_path / "orders" / SNAPSHOT)
    assert paths_of(runs) == {"/committed"}
