"""The inventory service: what it implements and publishes. `atoll serve shop_inventory:service` runs it."""

from __future__ import annotations

from atoll.service import Service
from shop_contracts import ParcelReceived
from shop_inventory.parcels import scan_parcel, send_back
from shop_inventory.stock import list_stock, receive_stock, restock

service = Service(
    "inventory",
    handlers=(list_stock, receive_stock, restock, scan_parcel, send_back),
    publishes=(ParcelReceived,),
    migrations="shop_inventory:migrations",
    version="0.1.0",
)
