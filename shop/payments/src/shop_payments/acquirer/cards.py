"""The test cards. Send one as ``card`` when you place an order or charge; every other token is declined as unknown.

| token | what happens |
| --- | --- |
| ``tok_ok`` | accepted up to the acquirer's limit (setting ``CARD_LIMIT``); the default |
| ``tok_declined`` | declined: the card's bank refuses |
| ``tok_insufficient_funds`` | declined: not enough money |
| ``tok_fails_once`` | the acquirer fails at the first attempt and books nothing; the second is accepted |
| ``tok_timeout`` | the acquirer books the first attempt, but its answer gets lost; the second hears of the first |
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from shop_payments.provider import CardCharge, Decision

OK: Final = "tok_ok"
DECLINED: Final = "tok_declined"
INSUFFICIENT_FUNDS: Final = "tok_insufficient_funds"
FAILS_ONCE: Final = "tok_fails_once"
TIMEOUT: Final = "tok_timeout"

_GOOD: Final = frozenset({OK, FAILS_ONCE, TIMEOUT})
_REFUSALS: Final[Mapping[str, str]] = {
    DECLINED: "the card's bank refuses",
    INSUFFICIENT_FUNDS: "not enough money on the card",
}


def decide(charge: CardCharge, limit: int) -> Decision:
    """What the card's bank says. limit: minor units that one charge may have at the most."""
    if charge.card not in _GOOD:
        return Decision(accepted=False, reason=_REFUSALS.get(charge.card, "no such card"))
    if charge.amount > limit:
        return Decision(accepted=False, reason="over the card's limit")
    return Decision(accepted=True)
