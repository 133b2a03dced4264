"""What the instances of a release did: their own metrics, and what the gateway counted at their doors."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from atoll.platform.local.metrics_page import never, samples
from atoll.platform.rollout.fleet import MOST_COUNTED

REQUESTS = "http_server_request_duration_seconds"
SHADOWS = "atoll_shadow_request_duration_seconds"  # copies of requests: of no use but to judge a release by
EVENTS = "messaging_process_duration_seconds"
MOST_BOUNDS = 500  # of durations, told by one instance in its life; all of them are added up and sorted at each look
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
        return dict(sorted((float(name[3:]), self.counts[name]) for name in _bounds(self.counts)))


def _bounds(counts: Mapping[str, float]) -> set[str]:
    return {name for name in counts if name.startswith("le:")}


class Growing:
    """Counts of one instance over all of its processes: one that was started anew begins at nothing, and they go on."""

    def __init__(self) -> None:
        self._ended: dict[str, float] = {}
        self._last: dict[str, float] = {}

    def see(self, counted: Counted) -> None:
        """What its process says now. ValueError, and nothing is taken over, if that is too much to keep."""
        if len(_bounds(self._last) | _bounds(counted.counts)) > MOST_BOUNDS:
            raise ValueError(f"more than {MOST_BOUNDS} different bounds of durations")
        for name, value in counted.counts.items():
            before = self._last.get(name, 0.0)
            if value < before:
                self._ended[name] = self._ended.get(name, 0.0) + before
            self._last[name] = value

    def total(self) -> Counted:
        """All together."""
        names = {**self._ended, **self._last}
        return Counted({name: self._ended.get(name, 0.0) + self._last.get(name, 0.0) for name in names})


async def read_page(body: bytes, within: float) -> Counted:
    """The counts of a page, read beside the event loop. ValueError as in `of_page`; TimeoutError after ``within`` seconds."""
    given_up = threading.Event()
    try:
        async with asyncio.timeout(within):
            return await asyncio.to_thread(lambda: of_page(body.decode(errors="replace"), given_up.is_set))
    finally:
        given_up.set()  # a thread cannot be ended from outside


def of_page(text: str, given_up: Callable[[], bool] = never) -> Counted:
    """The counts of a page of metrics: requests, errors, handled, failed and ``le:<seconds>``.

    ValueError for what is no count, each alone or all together: below zero, more than can be counted, or no number. A release is
    not judged by such a page. given_up: whether nobody waits for it any more.
    """
    counted = Counted()
    for name, labels, told in samples(text, (REQUESTS, SHADOWS, EVENTS), given_up):
        name, value = name.replace(SHADOWS, REQUESTS), _count(name, told)
        if name == f"{REQUESTS}_bucket":
            counted.add(f"le:{_bound(labels.get('le', '+Inf'))}", value)
        elif name == f"{REQUESTS}_count":
            counted.add("requests", value)
            counted.add("errors", value if labels.get("http_response_status_code", "").startswith("5") else 0.0)
        elif name == f"{EVENTS}_count":
            counted.add("failed" if labels.get("error_type") else "handled", value)
    for name, total in counted.counts.items():
        _require_count(name, total, f"{total:g}")
    return counted


def of_envoy(counts: Mapping[str, int]) -> Counted:
    """Envoy's counts of one endpoint. rq_error has the replies with 5xx and the requests that got none."""
    return Counted({f"{_OF_ENVOY}{name}": float(counts.get(name, 0)) for name in ("rq_total", "rq_error")})


def requests_and_errors(total: Counted) -> tuple[float, float]:
    """All requests to an instance, and those of them that failed; calls from inside are known from its own page alone.

    A process that dies takes with it what it counted, and never counted what it did not answer; the gateway did.
    """
    unanswered = max(0.0, total[f"{_OF_ENVOY}rq_error"] - total["errors"])
    requests = max(total["requests"] + unanswered, total[f"{_OF_ENVOY}rq_total"])
    return requests, total["errors"] + unanswered


def at_the_gateway(total: Counted) -> tuple[float, float]:
    """The same of what came through the gateway, which no page of metrics can make look better."""
    return total[f"{_OF_ENVOY}rq_total"], total[f"{_OF_ENVOY}rq_error"]


def _count(name: str, text: str) -> float:
    value = float(text)
    _require_count(name, value, text)
    return value


def _require_count(name: str, value: float, text: str) -> None:
    if not 0 <= value <= MOST_COUNTED:
        raise ValueError(f"{name} is {text}, which is no count")


def _bound(text: str) -> float:
    value = float(text)
    if not value >= 0:
        raise ValueError(f"le={text!r} is no number of seconds")
    return value
