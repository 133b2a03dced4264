"""What RabbitMQ takes over at its start: the system's streams, the accounts, and what each of them may do.

(https://www.rabbitmq.com/docs/definitions, https://www.rabbitmq.com/docs/access-control)

Events go through one topic exchange, where a topic permission says which subjects an account may publish. Nobody may make or
bind that exchange and its streams anew, and readers pass over what reached a stream on another way.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Iterable

from atoll.platform.local.accounts import Account, Accounts

PARTITIONS = 8  # as every service's adapter has them; so the others
KEPT = {"x-queue-type": "stream", "x-max-age": "7D", "x-stream-max-segment-size-bytes": 100_000_000}
_NOTHING = "^$"


def definitions(accounts: Accounts) -> dict[str, object]:
    """For RabbitMQ's ``load_definitions``. It makes no guest then."""
    exchange = f"{accounts.system}.events"
    streams = [f"{exchange}.{partition}" for partition in range(PARTITIONS)]
    there = {"vhost": "/", "durable": True, "auto_delete": False}
    return {
        "vhosts": [{"name": "/"}],
        "users": [_user(account) for account in accounts.all()],
        "permissions": [_permission(account, accounts.system) for account in accounts.all()],
        "topic_permissions": [_topics(account, exchange) for account in accounts.all() if account.rights is not None],
        "exchanges": [{"name": exchange, "type": "topic", "internal": False, "arguments": {}, **there}],
        "queues": [{"name": stream, "arguments": KEPT, **there} for stream in streams],
        "bindings": [_binding(exchange, partition) for partition in range(PARTITIONS)],
    }


def _binding(exchange: str, partition: int) -> dict[str, object]:
    return {
        "source": exchange,
        "vhost": "/",
        "destination": f"{exchange}.{partition}",
        "destination_type": "queue",
        "routing_key": f"{partition}.#",
        "arguments": {},
    }


def _permission(account: Account, system: str) -> dict[str, str]:
    """configure: its groups' places. write: the exchange, and places (past it). read: places, and events if it consumes any."""
    who = {"user": account.user, "vhost": "/"}
    if account.rights is None:
        return {**who, "configure": ".*", "write": ".*", "read": ".*"}
    name = re.escape(system)
    places = rf"{name}\.readers\..+"
    readable = rf"{name}\.events\.\d+|{places}" if account.rights.consumes else places
    return {
        **who,
        "configure": f"^({places})$",
        "write": rf"^({name}\.events|amq\.default|{places})$",
        "read": f"^({readable})$",
    }


def _topics(account: Account, exchange: str) -> dict[str, str]:
    who = {"user": account.user, "vhost": "/", "exchange": exchange, "read": _NOTHING}
    published = account.rights.publishes if account.rights is not None else ()
    return {**who, "write": rf"^\d+\.({_any(published)})$" if published else _NOTHING}


def _any(subjects: Iterable[str]) -> str:
    return "|".join(re.escape(subject) for subject in subjects)


def _user(account: Account) -> dict[str, object]:
    # The salt comes from the password itself: that is 32 random bytes, used nowhere else, and the file stays the same.
    salt = hashlib.sha256(account.password.encode()).digest()[:4]
    hashed = salt + hashlib.sha256(salt + account.password.encode()).digest()
    return {
        "name": account.user,
        "password_hash": base64.b64encode(hashed).decode(),
        "hashing_algorithm": "rabbit_password_hashing_sha256",
        "tags": "",
    }
