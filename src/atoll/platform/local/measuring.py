"""What the instances of a release did: their own metrics, and what the gateway counted at their doors."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import inf

REQUESTS = "http_server_request_duration_seconds"
SHADOWS = "atoll_shadow_request_duration_seconds"  # copies of requests: of no use but to judge a release by
EVENTS = "messaging_process_duration_seconds"
_LINE = re.compile(r"^(?P<name>[a-z_]+)\{(?P<labels>.*)\} (?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_OF_ENVOY = "envoy:"


@dataclass(slots=True)
class Counted:
    """What one process did since it began, by name of the count; or several together."""

    counts: dict[str, float] = field(default_factory=dict)

    def add(self, name: str, value: float) -> None:
        self.counts[name] = self.counts.get(name, 0.0) + value

    def __getitem__(self, name: str) -> float:
        return self.counts.get(name, 0.0)

    def buckets(self) -> dict[float, float]:
        """Upper bound in seconds -> requests that took at most so long."""
        found = {float(name[3:]): value for name, value in self.counts.items() if name.startswith("le:")}
        return dict(sorted(found.items()))


class Growing:
    """Counts of one instance over all of its processes: one that was started anew begins at nothing, and they go on."""

    def __init__(self) -> None:
        self._ended: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def see(self, counted: Counted) -> None:
        """What its process says now."""
        for name, value in counted.counts.items():
            before = self._last.get(name, 0.0)
            if value < before:
                self._ended[name] = self._ended.get(name, 0.0) + before
            self._last[name] = value

    def total(self) -> Counted:
        """All together."""
        names = {**self._ended, **self._last}
        return Counted({name: self._ended.get(name, 0.0) + self._last.get(name, 0.0) for name in names})


def of_page(text: str) -> Counted:
    """The counts of a page of metrics: requests, errors, handled, failed and ``le:<seconds>``.

    ValueError for what is no count: below zero, infinite, or no number. A release is not judged by such a page.
    """
    counted = Counted()
    for name, labels, value in _samples(text):
        name = name.replace(SHADOWS, REQUESTS)
        if name == f"{REQUESTS}_bucket":
            counted.add(f"le:{_bound(labels.get('le', '+Inf'))}", value)
        elif name == f"{REQUESTS}_count":
            counted.add("requests", value)
            counted.add("errors", value if labels.get("http_response_status_code", "").startswith("5") else 0.0)
        elif name == f"{EVENTS}_count":
            counted.add("failed" if labels.get("error_type") else "handled", value)
    return counted


def of_envoy(counts: Mapping[str, int]) -> Counted:
    """Envoy's counts of one endpoint. rq_error has the replies with 5xx and the requests that got none."""
    return Counted({f"{_OF_ENVOY}{name}": float(counts.get(name, 0)) for name in ("rq_total", "rq_error")})


def requests_and_errors(total: Counted) -> tuple[float, float]:
    """All requests to an instance, and those of them that failed.

    A process that dies takes with it what it counted, and never counted what it did not answer; the gateway did.
    """
    unanswered = max(0.0, total[f"{_OF_ENVOY}rq_error"] - total["errors"])
    requests = max(total["requests"] + unanswered, total[f"{_OF_ENVOY}rq_total"])
    return requests, total["errors"] + unanswered


def _samples(text: str) -> Iterator[tuple[str, dict[str, str], float]]:
    for line in text.splitlines():
        if line.startswith((REQUESTS, SHADOWS, EVENTS)) and (found := _LINE.match(line)) is not None:
            yield found["name"], dict(_LABEL.findall(found["labels"])), _count(found["name"], found["value"])


def _count(name: str, text: str) -> float:
    value = float(text)
    if not 0 <= value < inf:
        raise ValueError(f"{name} is {text}, which is no count")
    return value


def _bound(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise ValueError(f"le={text!r} is no number of seconds")
    return value
