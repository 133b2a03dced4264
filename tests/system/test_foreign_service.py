"""A FastAPI application becomes a fourth service of the system with two lines in system.py."""

from __future__ import annotations

from collections.abc import Callable

from tests.system.calls import call
from tests.system.local_system import LocalSystem
from tests.system.shopper import new_shopper

APP = """
from fastapi import FastAPI, Request

app = FastAPI()


@app.get("/articles/{sku}")
async def article(sku: str) -> dict[str, str]:
    return {"sku": sku}


@app.get("/me")
async def me(request: Request) -> dict[str, str]:
    return {"subject": request.headers.get("atoll-subject", "")}
"""
SERVICE = '        Service("catalog", asgi="catalog:app", source="catalog"),\n'
ROUTE = 'Route("/catalog", to="catalog"), '


def test_a_fastapi_app_runs_behind_the_same_gateway(new_system: Callable[[], LocalSystem]) -> None:
    system = new_system()
    (system.folder / "catalog").mkdir()
    (system.folder / "catalog" / "catalog.py").write_text(APP)
    file = system.folder / "system.py"
    text = file.read_text()
    text = text.replace("    services=(\n", "    services=(\n" + SERVICE).replace("routes=(", "routes=(" + ROUTE)
    file.write_text(text)
    system.up()
    ada = new_shopper(system)
    assert ada.ask("GET", "/catalog/articles/A1").must(200).json == {"sku": "A1"}
    assert ada.ask("GET", "/catalog/me").must(200).json == {"subject": ada.user_id}
    call(system.gateway, "GET", "/catalog/articles/A1").must_be_problem(401)
    ada.wait_for(ada.place()["id"], "confirmed")
    system.down()
    assert system.processes() == {}
