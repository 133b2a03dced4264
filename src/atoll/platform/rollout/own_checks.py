"""A service's own checks: functions of system.py that judge a window."""

from __future__ import annotations

import asyncio
import contextvars
import inspect
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from threading import Thread

from atoll.platform.rollout.records import Finding
from atoll.system import Window

LIMIT = 10.0  # seconds for one check


async def ask(checks: Sequence[Callable[..., object]], window: Window) -> tuple[Finding, ...]:
    """What each says. One that raises, exits, or takes too long, has failed: it could not tell that the release is good."""
    return tuple([await _one(check, window) for check in checks])


async def _one(check: Callable[..., object], window: Window) -> Finding:
    name = getattr(check, "__name__", type(check).__name__)
    try:
        async with asyncio.timeout(LIMIT):
            reason = await _apart(check, window)
        return Finding(name, "failed", reason) if reason else Finding(name, "passed", "well")
    except TimeoutError:
        return Finding(name, "failed", f"took longer than {LIMIT:.0f} s")
    except asyncio.CancelledError:
        task = asyncio.current_task()
        if task is None or task.cancelling():
            raise  # the rollout was told to stop, and not the check's own doing
        return Finding(name, "failed", "CancelledError")
    except (Exception, SystemExit) as error:
        return Finding(name, "failed", _line(f"{type(error).__name__}: {error}"))


async def _apart(check: Callable[..., object], window: Window) -> str:
    """Its answer, from a thread that nobody waits for at the end: one that hangs keeps no pool and no process."""
    loop = asyncio.get_running_loop()
    told: asyncio.Future[tuple[str, BaseException | None]] = loop.create_future()
    context = contextvars.copy_context()

    def tell(reason: str, error: BaseException | None) -> None:
        if not told.done():
            told.set_result((reason, error))

    def run() -> None:
        reason = ""
        failure: BaseException | None = None
        try:
            reason = context.run(_reason, check, window)
        except BaseException as error:  # whatever it is, it ends the check and not the thread's report
            failure = error
        with suppress(RuntimeError):  # the loop is closed: nobody is waiting any more
            loop.call_soon_threadsafe(tell, reason, failure)

    Thread(target=run, name=f"check {getattr(check, '__name__', '')}", daemon=True).start()
    reason, failure = await told
    if failure is not None:
        raise failure
    return reason


def _reason(check: Callable[..., object], window: Window) -> str:
    """What it has against the release; empty: nothing. An awaitable gets a loop of its own, which it may block."""
    said = check(window)
    if inspect.isawaitable(said):
        said = asyncio.run(_awaited(said))
    return (_line(said) or repr(said)) if said else ""


async def _awaited(said: Awaitable[object]) -> object:
    """Its result. Nobody waits longer for it; without an end here it would go on in its thread for good."""
    async with asyncio.timeout(LIMIT):
        return await said


def _line(said: object) -> str:
    return " ".join(str(said).split())[:300]
