"""The judge: what clients were told and what the bank did, against what the services' databases hold."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.faults.plant import Plant


@dataclass(frozen=True, slots=True)
class Verdict:
    """accepted = confirmed + compensated. asked: how often the bank was asked for the effects that it made."""

    accepted: int
    confirmed: int
    compensated: int
    effects: int
    asked: int


async def judge(plant: Plant) -> Verdict:
    """AssertionError if anything was lost, happened twice or does not add up. For a plant at rest."""
    accepted = plant.accepted
    here = [row["what"] for row in await plant.rows("orders", "SELECT what FROM effects")]
    there = [row["what"] for row in await plant.rows("payments", "SELECT what FROM effects")]
    assert Counter(here) == Counter(_local(accepted)), _difference(here, _local(accepted))
    assert Counter(there) == Counter(_remote(accepted)), _difference(there, _remote(accepted))
    bank = plant.bank.effects()
    assert bank == Counter(_remote(accepted)), _difference(list(bank.elements()), _remote(accepted))
    states = await plant.rows("orders", "SELECT status, count(*) AS number FROM atoll.sagas GROUP BY status")
    ended = {row["status"]: row["number"] for row in states}
    confirmed, compensated = ended.get("completed", 0), ended.get("compensated", 0)
    assert len(accepted) == confirmed + compensated, ended
    assert confirmed == sum(amount % 2 == 0 for amount in accepted.values()), ended
    await _projection_equals_rebuild(plant)
    return Verdict(len(accepted), confirmed, compensated, sum(bank.values()), plant.bank.asked())


async def _projection_equals_rebuild(plant: Plant) -> None:
    live = await _order_list(plant)
    assert live == {
        order: (amount, "kept" if amount % 2 else "closed", 4) for order, amount in plant.accepted.items()
    }, "the read model"
    assert await plant.post("orders", "/rebuild"), "the rebuild failed"
    assert await _order_list(plant) == live, "the rebuilt read model"


async def _order_list(plant: Plant) -> dict[str, tuple[int, str, int]]:
    rows = await plant.rows("orders", "SELECT * FROM order_list")
    return {row["id"]: (row["amount"], row["status"], row["changes"]) for row in rows}


def _local(accepted: dict[str, int]) -> list[str]:
    return [
        f"{what} {order}"
        for order, amount in accepted.items()
        for what in ("returning", "kept" if amount % 2 else "closed")
    ]


def _remote(accepted: dict[str, int]) -> list[str]:
    forward, back = ("charge", "refund", "reserve"), ("take back", "release")
    return [
        f"{what} {order} {amount}"
        for order, amount in accepted.items()
        for what in (forward + back if amount % 2 else forward)
    ]


def _difference(found: list[str], expected: list[str]) -> str:
    too_many, lost = Counter(found) - Counter(expected), Counter(expected) - Counter(found)
    return f"too many: {dict(too_many)}; lost: {dict(lost)}"
