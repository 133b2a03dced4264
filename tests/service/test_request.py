"""Who may call, and how much time is left."""

from __future__ import annotations

import time

import pytest

from atoll.contracts import PUBLIC, Access, DeadlineExceeded, Error, Forbidden, Unauthenticated
from atoll.service import Caller, Request

NOBODY = Caller()
ALICE = Caller("alice", frozenset({"orders:read"}), frozenset({"user"}))
ORDERS = Caller(peer="orders")
VIA_ORDERS = Caller("alice", frozenset({"orders:read"}), frozenset({"user"}), peer="orders")


@pytest.mark.parametrize(
    ("caller", "access", "refusal"),
    [
        (ALICE, Access(), None),
        (NOBODY, Access(), Unauthenticated),
        (ORDERS, Access(), Unauthenticated),
        (VIA_ORDERS, Access(), None),
        (ALICE, Access(scopes=("orders:read",)), None),
        (ALICE, Access(scopes=("orders:read", "orders:write")), Forbidden),
        (ALICE, Access(roles=("admin", "user")), None),
        (ALICE, Access(roles=("admin",)), Forbidden),
        (ALICE, Access(scopes=("orders:read",), roles=("admin",)), Forbidden),
        (ALICE, Access(peers=("orders",)), Forbidden),
        (ORDERS, Access(peers=("orders",)), None),
        (ORDERS, Access(peers=("payments",)), Forbidden),
        (NOBODY, Access(peers=("orders",)), Forbidden),
        (VIA_ORDERS, Access(peers=("orders",), scopes=("orders:write",)), Forbidden),
        (ORDERS, Access(trusted=("orders",), scopes=("orders:write",), roles=("admin",)), None),
        (ALICE, Access(trusted=("orders",), scopes=("orders:write",)), Forbidden),
        (NOBODY, Access(trusted=("",)), Unauthenticated),
    ],
)
def test_everything_that_is_asked_for_must_hold(caller: Caller, access: Access, refusal: type[Error] | None) -> None:
    if refusal is None:
        caller.require(access)
    else:
        with pytest.raises(refusal):
            caller.require(access)


def test_a_refusal_says_what_is_missing() -> None:
    with pytest.raises(Forbidden, match="the token lacks the scope orders:write"):
        ALICE.require(Access(scopes=("orders:read", "orders:write")))
    with pytest.raises(Forbidden, match="this needs one of the roles admin, clerk"):
        ALICE.require(Access(roles=("admin", "clerk")))
    assert PUBLIC.public


def test_the_time_that_is_left() -> None:
    assert 9 < Request("x", None, deadline=time.monotonic() + 10).remaining() <= 10
    assert Request("x", None).remaining() == float("inf")
    with pytest.raises(DeadlineExceeded, match="x: the caller's time is used up"):
        Request("x", None, deadline=time.monotonic()).remaining()
