"""From a ``kafka://`` URL to the settings of librdkafka, and from its errors to one line."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import Any, Protocol, TypeVar
from urllib.parse import parse_qs, unquote, urlsplit

from confluent_kafka import KafkaError, KafkaException

T = TypeVar("T")

DEFAULT_SASL = "SCRAM-SHA-512"
# librdkafka's own log says again what its errors say, and every second while a broker is away.
_client_log = logging.getLogger("atoll.messaging.librdkafka")
_client_log.setLevel(logging.CRITICAL)


class Call(Protocol):
    """Runs a function that blocks in a thread."""

    def __call__(self, function: Callable[[], T]) -> Awaitable[T]:
        """Its result."""
        ...


def connection_options(url: str) -> dict[str, Any]:
    """Where and how to connect; ValueError for a URL that makes no sense."""
    parts = urlsplit(url)
    credentials, _, hosts = parts.netloc.rpartition("@")
    if not all(host.rpartition(":")[2].isdigit() and host.rpartition(":")[0] for host in hosts.split(",")):
        raise ValueError("a Kafka address is kafka://host:port, several joined by commas")
    tls = parts.scheme == "kafka+tls"
    options: dict[str, Any] = {
        "bootstrap.servers": hosts,
        "client.id": "atoll",
        "security.protocol": "ssl" if tls else "plaintext",
        "socket.keepalive.enable": True,
        "socket.timeout.ms": 10_000,
        "reconnect.backoff.ms": 50,
        "reconnect.backoff.max.ms": 2_000,
        "logger": _client_log,
    }
    if credentials:
        user, _, password = credentials.partition(":")
        options["security.protocol"] = "sasl_ssl" if tls else "sasl_plaintext"
        options["sasl.mechanism"] = parse_qs(parts.query).get("sasl", [DEFAULT_SASL])[0]
        options["sasl.username"], options["sasl.password"] = unquote(user), unquote(password)
    return options


def error_of(exception: BaseException) -> KafkaError | None:
    """What Kafka's exception wraps."""
    first = exception.args[0] if isinstance(exception, KafkaException) and exception.args else None
    return first if isinstance(first, KafkaError) else None


def one_line(exception: BaseException) -> str:
    """The error as it is shown."""
    error = error_of(exception)
    text = f"{error.name()}: {error.str()}" if error is not None else f"{type(exception).__name__}: {exception}"
    return text.splitlines()[0]
