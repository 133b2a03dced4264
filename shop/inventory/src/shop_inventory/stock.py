"""How many pieces of each article are on the shelf."""

from __future__ import annotations

from atoll.data import Work
from atoll.service import implements
from shop_contracts import Inventory, ListStock, ReceiveStock, Restock, Stock, StockPage

_PAGE = "SELECT sku, pieces FROM stock WHERE sku > $1 ORDER BY sku LIMIT $2"
_ADD = """
INSERT INTO stock (sku, pieces) VALUES ($1, $2)
ON CONFLICT (sku) DO UPDATE SET pieces = stock.pieces + excluded.pieces RETURNING pieces
"""


@implements(Inventory.list)
async def list_stock(query: ListStock, work: Work) -> StockPage:
    """One more than the page is read, to know whether another page follows."""
    rows = await work.fetch(_PAGE, query.after, query.limit + 1)
    page, rest = rows[: query.limit], rows[query.limit :]
    return StockPage(tuple(Stock(row["sku"], row["pieces"]) for row in page), page[-1]["sku"] if rest else None)


@implements(Inventory.receive)
async def receive_stock(command: ReceiveStock, work: Work) -> Stock:
    """More of an article; one that was never there is there from now on."""
    return Stock(command.sku, await work.fetchval(_ADD, command.sku, command.pieces))


@implements(Inventory.restock)
async def restock(command: Restock, work: Work) -> None:
    """What was returned is on the shelf again, in the order of the skus, so that two of these never wait for each other."""
    for item in sorted(command.items, key=lambda item: item.sku):
        await work.execute(_ADD, item.sku, item.pieces)
