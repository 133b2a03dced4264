"""Parcels that came back."""

from __future__ import annotations

from atoll.contracts import NotFound
from atoll.data import Work
from atoll.service import implements
from shop_contracts import AnotherParcel, Inventory, Parcel, ParcelReceived, ScanParcel, SendBack

_SCAN = """
INSERT INTO parcels (id, order_id) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET scanned_at = now() RETURNING order_id, sent_back
"""
_SEND_BACK = "UPDATE parcels SET sent_back = true WHERE id = $1 RETURNING order_id"


@implements(Inventory.scan)
async def scan_parcel(command: ScanParcel, work: Work) -> Parcel:
    """Notes the parcel and tells others, in one transaction."""
    row = await work.fetchrow(_SCAN, command.id, command.order_id)
    if row is None or row["order_id"] != command.order_id:
        raise AnotherParcel(f"parcel {command.id} was scanned before, for another order")
    await work.publish(ParcelReceived(command.order_id, command.id))
    return Parcel(command.id, command.order_id, row["sent_back"])


@implements(Inventory.send_back)
async def send_back(command: SendBack, work: Work) -> Parcel:
    """The customer gets it again."""
    order_id = await work.fetchval(_SEND_BACK, command.id)
    if order_id is None:
        raise NotFound(f"there is no parcel {command.id}")
    return Parcel(command.id, order_id, sent_back=True)
