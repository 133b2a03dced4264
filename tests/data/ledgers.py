"""An account, event-sourced: what the tests of the event store keep books with."""

from __future__ import annotations

from typing import Any

from atoll.contracts import Conflict, Event, Raw, upcasts
from atoll.data import Aggregate, applies


class Opened(Event, subject="account.opened", version=2, key="account"):
    account: str
    owner: str
    limit: int = 0


class Moved(Event, subject="account.moved", version=1, key="account"):
    account: str
    amount: int


class Closed(Event, subject="account.closed", version=1, key="account"):
    account: str


@upcasts(Opened, from_version=1)
def owner_from_name(raw: Raw) -> Raw:
    raw["owner"] = raw.pop("name")
    return raw


class Account(Aggregate[str], stream="account", upcasters=[owner_from_name], snapshot_every=5):
    owner: str = ""
    balance: int = 0
    moves: tuple[int, ...] = ()
    is_open: bool = False

    @classmethod
    def open(cls, account: str, owner: str) -> Account:
        made = cls(account)
        made.record(Opened(account, owner))
        return made

    def move(self, amount: int) -> None:
        if not self.is_open:
            raise Conflict("the account is closed")
        self.record(Moved(self.id, amount))

    def close(self) -> None:
        if self.is_open:
            self.record(Closed(self.id))

    @applies(Opened)
    def _opened(self, event: Opened) -> None:
        self.owner, self.is_open = event.owner, True

    @applies(Moved)
    def _moved(self, event: Moved) -> None:
        self.balance += event.amount
        self.moves = (*self.moves[-9:], event.amount)

    @applies(Closed)
    def _closed(self, event: Closed) -> None:
        self.is_open = False


def state(account: Account) -> dict[str, Any]:
    return {name: getattr(account, name) for name in ("id", "version", "owner", "balance", "moves", "is_open")}
