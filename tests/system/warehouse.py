"""The warehouse: somebody with its scopes, asking the inventory service as the gateway does."""

from __future__ import annotations

import uuid
from typing import Any

from tests.system.calls import Answer, call
from tests.system.local_system import LocalSystem
from tests.system.postgres import rows

SCOPES = "inventory:read inventory:write parcels:scan"


class Warehouse:
    """What its people do and see."""

    def __init__(self, shop: LocalSystem) -> None:
        self._shop = shop

    def ask(self, method: str, path: str, body: object = None) -> Answer:
        identity = {"atoll-subject": "warehouse", "atoll-scopes": SCOPES}
        headers = {**self._shop.peer_header("gateway", "inventory"), **identity}
        return call(self._shop.url("inventory"), method, path, body, headers=headers)

    def scan(self, order_id: str, parcel: str = "") -> str:
        """Scans a parcel with that order on its label; the parcel's id."""
        parcel = parcel or str(uuid.uuid4())
        self.ask("POST", f"/parcels/{parcel}/scan", {"order_id": order_id}).must(200)
        return parcel

    def sent_back(self, parcel: str) -> bool:
        found = rows(self._shop, "inventory", "SELECT sent_back FROM parcels WHERE id = $1", uuid.UUID(parcel))
        return bool(found[0]["sent_back"])

    def pieces(self, sku: str) -> int:
        items: list[dict[str, Any]] = self.ask("GET", "/stock").must(200).json["items"]
        return next((int(one["pieces"]) for one in items if one["sku"] == sku), 0)
