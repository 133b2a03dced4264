"""The operations as a caller sees them over HTTP, on fakes."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

import pytest
from shop.auth.tests.fakes import World

from atoll.security import make_identify
from atoll.service import Health, Sources, bind
from atoll.transport.http import HttpApp
from shop_auth import service
from shop_auth.accounts import Accounts
from shop_auth.granting import Grants
from shop_auth.key_ring import KeyRing
from shop_auth.registering import Registrar
from shop_auth.sessions import RefreshTokens

EMAIL, PASSWORD = "ada@example.org", "correct horse"
FORM = {"content-type": "application/x-www-form-urlencoded"}
GATEWAY = {"atoll-peer": "gateway:secret", "x-forwarded-for": "10.0.0.9"}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Site:
    def __init__(self, world: World) -> None:
        provided: dict[type, Any] = {
            Registrar: world.registrar, Grants: world.grants, RefreshTokens: world.sessions,
            Accounts: world.accounts, KeyRing: world.keys,
        }  # fmt: skip
        routes = {one: bind(handler, Sources(provided=provided)) for one, handler in service.operations.items()}
        self._app = HttpApp("auth", routes, identify=make_identify({"gateway": "secret"}, None), health=Health())

    async def __call__(self, route: str, body: bytes = b"", headers: dict[str, str] | None = None) -> Answer:
        method, path = route.split(" ")
        given = {"content-length": str(len(body)), **(headers or {})}
        scope = {
            "type": "http", "method": method, "path": path, "raw_path": path.encode(), "query_string": b"",
            "headers": [(name.encode(), value.encode()) for name, value in given.items()],
        }  # fmt: skip
        sent: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(event: Any) -> None:
            sent.append(event)

        await self._app(scope, receive, send)
        headers_sent = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
        return Answer(sent[0]["status"], headers_sent, b"".join(one.get("body", b"") for one in sent[1:]))

    async def post(self, path: str, body: Any, **headers: str) -> Answer:
        return await self(f"POST {path}", json.dumps(body).encode(), {"content-type": "application/json", **headers})

    async def form(self, path: str, headers: dict[str, str] | None = None, **fields: str) -> Answer:
        return await self(f"POST {path}", urlencode(fields).encode(), {**FORM, **(headers or {})})

    async def login(self) -> Any:
        return (await self.form("/auth/token", grant_type="password", username=EMAIL, password=PASSWORD)).json


@pytest.fixture
async def site() -> Site:
    made = Site(World())
    assert (await made.post("/auth/register", {"email": EMAIL, "password": PASSWORD})).status == 201
    return made


def speaking_for(user_id: str, scopes: str = "", roles: str = "") -> dict[str, str]:
    return {**GATEWAY, "atoll-subject": user_id, "atoll-scopes": scopes, "atoll-roles": roles}


async def test_a_token_reply_is_oauths_and_not_to_be_cached(site: Site) -> None:
    answer = await site.form("/auth/token", grant_type="password", username=EMAIL, password=PASSWORD)
    assert (answer.status, answer.headers["cache-control"]) == (200, "no-store")
    assert set(answer.json) == {"access_token", "token_type", "expires_in", "scope", "refresh_token"}
    assert answer.json["token_type"] == "Bearer"


async def test_errors_are_problems_that_oauth_clients_read_too(site: Site) -> None:
    answer = await site.form("/auth/token", grant_type="password", username=EMAIL, password="wrong")
    assert (answer.status, answer.headers["content-type"]) == (400, "application/problem+json")
    assert answer.json["error"] == "invalid_grant"
    assert (await site.form("/auth/token")).json["error"] == "invalid_request"


async def test_a_wrong_client_is_challenged(site: Site) -> None:
    answer = await site.form("/auth/token", {"authorization": "Basic eDp5"}, grant_type="client_credentials")
    assert (answer.status, answer.json["error"]) == (401, "invalid_client")
    assert answer.headers["www-authenticate"].startswith("Basic")


async def test_json_is_no_form(site: Site) -> None:
    assert (await site.post("/auth/token", {"grant_type": "password"})).status == 415


async def test_the_same_email_is_a_conflict(site: Site) -> None:
    answer = await site.post("/auth/register", {"email": EMAIL.upper(), "password": PASSWORD})
    assert (answer.status, answer.json["type"]) == (409, "urn:problem:email-taken")


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"email": "ada", "password": PASSWORD}, "email"),
        ({"email": EMAIL, "password": "short"}, "password"),
        ({"email": EMAIL}, "password"),
        ({"email": EMAIL, "password": PASSWORD, "roles": ["admin"]}, "roles"),
    ],
)
async def test_a_wrong_field_is_named(site: Site, body: dict[str, Any], field: str) -> None:
    answer = await site.post("/auth/register", body)
    assert answer.status == 422
    assert answer.json["errors"][0]["field"] == field
    assert PASSWORD not in answer.body.decode()


async def test_logging_out_ends_the_session(site: Site) -> None:
    token = await site.login()
    user_id = (await site("GET /auth/me", headers=speaking_for("someone"))).json["user_id"]
    assert user_id == "someone"
    registered = (await site.post("/auth/register", {"email": "eve@example.org", "password": PASSWORD})).json
    eve = speaking_for(registered["user_id"])
    assert (await site.post("/auth/logout", {"refresh_token": token["refresh_token"]}, **eve)).status == 204
    token = (await site.form("/auth/token", grant_type="refresh_token", refresh_token=token["refresh_token"])).json
    assert (await site.form("/auth/revoke", token=token["refresh_token"])).status == 200
    answer = await site.form("/auth/token", grant_type="refresh_token", refresh_token=token["refresh_token"])
    assert answer.json["error"] == "invalid_grant"


async def test_an_access_token_cannot_be_revoked_and_an_unknown_one_is_no_error(site: Site) -> None:
    token = await site.login()
    assert (await site.form("/auth/revoke", token=token["access_token"])).json["error"] == "unsupported_token_type"
    assert (await site.form("/auth/revoke", token="unknown")).status == 200
    assert (await site.form("/auth/revoke")).json["error"] == "invalid_request"


async def test_only_an_administrator_sets_roles(site: Site) -> None:
    registered = (await site.post("/auth/register", {"email": "eve@example.org", "password": PASSWORD})).json
    route, body = f"PUT /auth/users/{registered['user_id']}/roles", b'{"roles": ["user", "admin"]}'
    typed = {"content-type": "application/json"}
    assert (await site(route, body, typed)).status == 401
    assert (await site(route, body, {**typed, **speaking_for("x", "users:write", "user")})).status == 403
    admin = {**typed, **speaking_for("x", "users:write", "admin user")}
    answer = await site(route, body, admin)
    assert (answer.status, answer.json["roles"]) == (200, ["admin", "user"])
    assert (await site("PUT /auth/users/nobody/roles", body, admin)).status == 404
    assert (await site(route, b'{"roles": ["king"]}', admin)).status == 422


async def test_only_the_gateway_is_believed_about_addresses(site: Site) -> None:
    guesses = {"grant_type": "password", "password": "wrong"}
    for number in range(100):
        await site.form("/auth/token", GATEWAY, username=f"user{number}@example.org", **guesses)
    answer = await site.form("/auth/token", GATEWAY, username="another@example.org", **guesses)
    assert answer.status == 429
    assert int(answer.headers["retry-after"]) >= 1
    direct = {"x-forwarded-for": "10.0.0.9"}
    assert (await site.form("/auth/token", direct, username="another@example.org", **guesses)).status == 400


async def test_published_keys_are_public_keys(site: Site) -> None:
    answer = await site("GET /.well-known/jwks.json")
    (key,) = answer.json["keys"]
    assert set(key) == {"kty", "crv", "x", "y", "kid", "use", "alg"}
    assert answer.headers["cache-control"].startswith("public")
