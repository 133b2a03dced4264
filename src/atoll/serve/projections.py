"""A service's projections: objects made of the classes that it names."""

from __future__ import annotations

from atoll.data import Database, Projection
from atoll.serve.failure import CannotServe
from atoll.service import Service
from atoll.service.handlers import name_of


def projections_of(service: Service, database: Database) -> dict[type, Projection]:
    """One of each class. CannotServe names what is no projection, and two of one name: they would share a checkpoint."""
    found: dict[type, Projection] = {}
    for kind in service.projections:
        if not (isinstance(kind, type) and issubclass(kind, Projection) and kind.name_):
            raise CannotServe(
                f"{name_of(kind)} in projections= is no projection: class OrderList(Projection, name='order-list', ...)"
            )
        if kind.name_ in {one.name for one in found.values()}:
            raise CannotServe(f"two projections are named {kind.name_!r}; give one of them another name=")
        found[kind] = kind(database, upcasters=service.upcasters)
    return found
