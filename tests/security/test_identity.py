from __future__ import annotations

import pytest
from tests.security.issuing import KEY, Published, token, verifier

from atoll.contracts import Unauthenticated
from atoll.security import identity_headers, make_identify, peer_header
from atoll.service import Caller

PEERS = {"gateway": "g-secret", "orders": "o-secret"}
IDENTITY = {"atoll-subject": "u1", "atoll-scopes": "orders:read orders:write", "atoll-roles": "user"}
identify = make_identify(PEERS, verifier(Published(KEY)))


async def test_nobody_is_none() -> None:
    assert await identify({}) is None


async def test_a_peer_passes_on_whom_it_speaks_for() -> None:
    caller = await identify({"atoll-peer": "gateway:g-secret", **IDENTITY})
    assert caller == Caller("u1", frozenset({"orders:read", "orders:write"}), frozenset({"user"}), "gateway")


async def test_a_peer_may_speak_for_itself() -> None:
    assert await identify({"atoll-peer": "orders:o-secret"}) == Caller(peer="orders")


async def test_scopes_without_a_subject_are_not_believed() -> None:
    assert await identify({"atoll-peer": "orders:o-secret", "atoll-scopes": "all"}) == Caller(peer="orders")


@pytest.mark.parametrize(
    "shown",
    [
        "gateway:wrong",
        "gateway:o-secret",
        "stranger:g-secret",
        "gateway",
        "",
        ":",
        "gateway:",
        "gateway:g-secret ",
        "\udcff:é",
    ],
)
async def test_a_wrong_peer_is_refused_even_with_a_good_token(shown: str) -> None:
    with pytest.raises(Unauthenticated) as refused:
        await identify({"atoll-peer": shown, "authorization": f"Bearer {token()}"})
    assert "secret" not in str(refused.value).replace("the peer secret is wrong", "")


async def test_identity_headers_without_a_peer_are_ignored() -> None:
    assert await identify(IDENTITY) is None
    caller = await identify({**IDENTITY, "atoll-subject": "admin", "authorization": f"Bearer {token()}"})
    assert caller is not None
    assert (caller.subject, caller.peer) == ("u1", "")


async def test_a_bearer_token_speaks_for_its_subject() -> None:
    expected = Caller("u1", frozenset({"orders:read", "orders:write"}), frozenset({"user"}))
    assert await identify({"authorization": f"Bearer {token()}"}) == expected
    assert await identify({"authorization": f"bearer  {token()}"}) == expected


async def test_a_peer_is_believed_before_a_token() -> None:
    caller = await identify({"atoll-peer": "gateway:g-secret", "authorization": "Bearer broken", **IDENTITY})
    assert caller is not None
    assert caller.subject == "u1"


async def test_other_schemes_belong_to_the_operation() -> None:
    assert await identify({"authorization": "Basic Ym90OnNlY3JldA=="}) is None


async def test_a_service_without_keys_says_so() -> None:
    with pytest.raises(Unauthenticated, match="verifies no tokens"):
        await make_identify(PEERS, None)({"authorization": f"Bearer {token()}"})


@pytest.mark.parametrize("peers", [{"orders": ""}, {"": "secret"}, {"a:b": "secret"}])
def test_an_open_door_is_refused_at_start(peers: dict[str, str]) -> None:
    with pytest.raises(ValueError, match="peer"):
        make_identify(peers, None)


async def test_identity_survives_a_hop() -> None:
    caller = Caller("u1", frozenset({"b", "a"}), frozenset({"user"}), peer="gateway")
    headers = {"atoll-peer": peer_header("orders", "o-secret"), **identity_headers(caller)}
    assert await identify(headers) == Caller("u1", caller.scopes, caller.roles, "orders")


@pytest.mark.parametrize("nobody", [None, Caller(peer="orders")])
def test_nobody_has_no_identity_headers(nobody: Caller | None) -> None:
    assert identity_headers(nobody) == {}
