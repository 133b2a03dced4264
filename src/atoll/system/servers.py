"""What is known of each kind of server that a system may need: what commands call it, and how its addresses look."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from atoll.system.model import Kafka, Nats, Part, Postgres, RabbitMQ, System


@dataclass(frozen=True, slots=True)
class Kind:
    """name: of its process, log and folder. schemes: of its addresses, the usual one first. port: the one it usually has."""

    name: str
    schemes: tuple[str, ...]
    port: int


KINDS: dict[type[Part], Kind] = {
    Postgres: Kind("postgres", ("postgresql", "postgres"), 5432),
    Nats: Kind("nats", ("nats", "tls"), 4222),
    RabbitMQ: Kind("rabbitmq", ("amqp", "amqps"), 5672),
    Kafka: Kind("kafka", ("kafka", "kafka+tls"), 9092),
}
BROKERS: dict[str, type[Nats | RabbitMQ | Kafka]] = {"nats": Nats, "rabbitmq": RabbitMQ, "kafka": Kafka}


def kind_of(part: Part) -> Kind:
    """What is known of its kind."""
    return KINDS[type(part)]


def servers(system: System) -> Iterator[Part]:
    """The servers of a system, the database first."""
    if system.postgres is not None:
        yield system.postgres
    if system.broker is not None:
        yield system.broker


def location(part: Part) -> tuple[str, int]:
    """Host and port of a given server, of a cluster's first one. ValueError, without the address, if it makes no sense."""
    kind = kind_of(part)
    try:
        url = urlsplit(part.address.split(",")[0].strip())
        scheme, host, port = url.scheme, url.hostname, url.port
    except ValueError:
        scheme, host, port = "", None, None
    if scheme not in kind.schemes or not host:
        # The address may hold a password, so it is not repeated here.
        raise ValueError(f"the address must be like '{kind.schemes[0]}://user:password@host:port'")
    return host, port or (5671 if scheme == "amqps" else kind.port)
