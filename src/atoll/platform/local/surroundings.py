"""What of the user's own environment a process is given: a part the little that any program needs, a service its own.

Whoever starts the system may hold the keys to much else (a cloud, a registry, a deployment). A service that is broken into
must not hand those out, nor another service's settings.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

BASE = frozenset(
    {
        "PATH", "HOME", "USER", "LOGNAME", "SHELL", "LANG", "LANGUAGE", "TZ", "TERM", "NO_COLOR", "TMPDIR", "TMP", "TEMP",
        "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SSL_CERT_DIR", "SYSTEMROOT",
        "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY",
    }
)  # fmt: skip
BASE_PREFIXES = ("LC_", "XDG_")
FOR_EVERY_SERVICE = (
    "PYTHON",
    "VIRTUAL_ENV",
    "OTEL_",  # its headers may hold a token, which is meant for whoever sends telemetry
    "ATOLL_RESILIENCE_",
    "ATOLL_TRACES_",
    "ATOLL_GRACE",
    "ATOLL_LOG_LEVEL",
)
_SECRET = re.compile(
    r"SECRET|TOKEN|PASSWORD|PASSWD|PASSPHRASE|CREDENTIAL|(?:^|_)(?:\w*APIKEY|KEYS?|AUTH|PRIVATE|PAT|PWD|DSN|COOKIES?)(?:_|$)"
)
_HARMLESS = frozenset({"PWD", "OLDPWD"})
_HOLDS_PASSWORD = re.compile(r"://[^/\s:@]*:[^/\s@]+@")


def of_a_part(environment: Mapping[str, str]) -> dict[str, str]:
    """For PostgreSQL, a broker or the gateway: paths, language, temporary folder, proxies."""
    return {name: value for name, value in environment.items() if _is_base(name)}


def of_a_service(environment: Mapping[str, str], service: str, others: Iterable[str]) -> dict[str, str]:
    """For a service: all but the platform's own variables, those that bear another service's name, and other secrets.

    A secret is told by its name (SECRET, TOKEN, PASSWORD, KEY, ...) or by a password in its URL. What bears the service's own
    name (``ORDERS_...`` for orders) is meant for it, whatever it looks like.
    """
    own = prefix(service)
    foreign = tuple(other for other in map(prefix, others) if other != own)
    return {name: value for name, value in environment.items() if _passes(name.upper(), value, own, foreign)}


def prefix(service: str) -> str:
    """How the names of a service's variables begin: ``ORDER_DESK_`` for ``order-desk``."""
    return f"{service.upper().replace('-', '_')}_"


def _passes(name: str, value: str, own: str, foreign: tuple[str, ...]) -> bool:
    if _is_base(name) or name.startswith(FOR_EVERY_SERVICE):
        return True
    if name.startswith("ATOLL_"):
        return False
    owner = max(
        (one for one in (own, *foreign) if name.startswith(one)), key=len, default=""
    )  # order_desk before order
    if owner:
        return owner == own
    return name in _HARMLESS or not (_SECRET.search(name) or _HOLDS_PASSWORD.search(value))


def _is_base(name: str) -> bool:
    return name.upper() in BASE or name.startswith(BASE_PREFIXES)
