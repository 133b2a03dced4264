"""Health: live (the process works), started (start-up is done), ready (send it traffic), each with its reasons.

Checks are cached and bounded, so that a probe can't hurt what it probes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable

from msgspec import Struct

Check = Callable[[], Awaitable[str | None]]
CHECK_TIMEOUT = 1.0  # seconds; a probe's own timeout is 1 s in Kubernetes
CHECK_CACHE = 0.5  # seconds


class CheckResult(Struct, frozen=True, omit_defaults=True):
    """One dependency: "up" or "down", and why it is down, or what else it has to say."""

    status: str
    detail: str = ""


class HealthReport(Struct, frozen=True):
    """What a health page shows."""

    status: str
    checks: dict[str, CheckResult]

    @property
    def up(self) -> bool:
        """Whether every check passed."""
        return self.status == "up"


class Health:
    """The state that health pages show. ``checks`` raise when their dependency is away; what they return is shown."""

    def __init__(self, checks: dict[str, Check] | None = None) -> None:
        self._checks = dict(checks or {})
        self._results: dict[str, CheckResult] = {}
        self._checked_at = float("-inf")
        self._checking: asyncio.Task[None] | None = None
        self.started = False
        self.draining = False

    def add(self, name: str, check: Check) -> None:
        """Adds a dependency that must be up for the service to be ready."""
        self._checks[name] = check

    def live(self) -> HealthReport:
        """Answering at all is being alive: a dependency that is away is no reason to restart."""
        return HealthReport("up", {})

    def start(self) -> HealthReport:
        """Up once start-up is done."""
        return HealthReport("up" if self.started else "down", {})

    async def ready(self) -> HealthReport:
        """Up when started, not draining, and every dependency answers."""
        if self.draining or not self.started:
            why = "draining" if self.draining else "starting"
            return HealthReport("down", {"lifecycle": CheckResult("down", why)})
        await self._refresh()
        results = dict(self._results)
        up = all(result.status == "up" for result in results.values())
        return HealthReport("up" if up else "down", results)

    async def _refresh(self) -> None:
        if time.monotonic() - self._checked_at < CHECK_CACHE:
            return
        if self._checking is None or self._checking.done():
            self._checking = asyncio.create_task(self._check_all())
        await asyncio.shield(self._checking)

    async def _check_all(self) -> None:
        checks = dict(self._checks)  # one may be added while these run
        results = await asyncio.gather(*(_run(check) for check in checks.values()))
        self._results = dict(zip(checks, results, strict=True))
        self._checked_at = time.monotonic()


async def _run(check: Check) -> CheckResult:
    try:
        async with asyncio.timeout(CHECK_TIMEOUT):
            said = await check()
    except TimeoutError:
        return CheckResult("down", f"no answer in {CHECK_TIMEOUT:g} s")
    except Exception as error:  # whatever a driver raises is the check's answer, not our failure
        return CheckResult("down", f"{type(error).__name__}: {error}".splitlines()[0][:200])
    return CheckResult("up", said or "")
