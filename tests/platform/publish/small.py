"""A small system with a promise, for the golden files."""

from __future__ import annotations

from atoll.contracts import Api, Operation
from atoll.system import Service, Slo, System


class Catalog(Api):
    """What is for sale."""

    books = Operation("GET /books", None, None)


system = System(
    "small",
    services=(
        Service("catalog", serve="catalog:service", offers=(Catalog,), instances=2),
        Service("legacy", command=("./legacy",)),
    ),
    slos=(Slo(Catalog.books, availability=99.0, latency=0.25), Slo("catalog", availability=99.9, days=7)),
)
