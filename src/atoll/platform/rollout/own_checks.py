"""A service's own checks: functions of system.py that judge a window."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Sequence

from atoll.platform.rollout.records import Finding
from atoll.system import Window

LIMIT = 10.0  # seconds for one check


async def ask(checks: Sequence[Callable[..., object]], window: Window) -> tuple[Finding, ...]:
    """What each says. One that raises, or takes too long, has failed: it could not tell that the release is good."""
    return tuple([await _one(check, window) for check in checks])


async def _one(check: Callable[..., object], window: Window) -> Finding:
    name = getattr(check, "__name__", type(check).__name__)
    try:
        async with asyncio.timeout(LIMIT):
            said = await asyncio.to_thread(check, window)
            said = await said if inspect.isawaitable(said) else said
    except TimeoutError:
        return Finding(name, "failed", f"took longer than {LIMIT:.0f} s")
    except Exception as error:
        return Finding(name, "failed", " ".join(f"{type(error).__name__}: {error}".split())[:300])
    return Finding(name, "failed", " ".join(str(said).split())[:300]) if said else Finding(name, "passed", "well")
