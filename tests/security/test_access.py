"""Who may call what: `Caller.require`."""

from __future__ import annotations

import pytest

from atoll.contracts import Access, Forbidden, Unauthenticated
from atoll.service import Caller

CHARGE = Access(scopes=("payments:charge",), trusted=("orders",))


def test_a_trusted_service_may_call_whomever_it_speaks_for() -> None:
    Caller(peer="orders").require(CHARGE)
    Caller("u1", frozenset({"orders:write"}), peer="orders").require(CHARGE)


def test_anyone_else_needs_the_scope() -> None:
    Caller("robot", frozenset({"payments:charge"})).require(CHARGE)
    Caller("robot", frozenset({"payments:charge"}), peer="gateway").require(CHARGE)
    for stranger in (Caller("u1", frozenset({"orders:write"})), Caller("u1", peer="gateway"), Caller("orders")):
        with pytest.raises(Forbidden, match="payments:charge"):
            stranger.require(CHARGE)
    with pytest.raises(Unauthenticated):
        Caller(peer="gateway").require(CHARGE)


def test_nobody_is_trusted_without_a_name() -> None:
    with pytest.raises(Unauthenticated):
        Caller().require(Access(trusted=("",)))
