"""What is done beside requests: the first administrator at the start, and now and then deleting what is over."""

from __future__ import annotations

import asyncio
import logging
import time

from atoll.contracts import Unavailable
from shop_auth.attempt_table import AttemptTable
from shop_auth.cryptography import SealBroken
from shop_auth.key_ring import KeyRing
from shop_auth.registering import Registrar
from shop_auth.session_table import SessionTable
from shop_auth.settings import AuthSettings
from shop_auth.throttle import WINDOW

_log = logging.getLogger("shop_auth")
EVERY = 3600.0  # seconds
AGAIN = 1.0  # seconds until the next try while the database is away


class Housekeeping:
    """Runs until it is stopped. A failure is logged and tried again; requests never wait for any of it."""

    def __init__(self, registrar: Registrar, sessions: SessionTable, attempts: AttemptTable, keys: KeyRing) -> None:
        self._registrar = registrar
        self._sessions = sessions
        self._attempts = attempts
        self._keys = keys
        self._task: asyncio.Task[None] | None = None

    def start(self, settings: AuthSettings) -> None:
        """Begins."""
        self._task = asyncio.create_task(self._run(settings))

    async def stop(self) -> None:
        """Ends, without waiting for what can be done another time."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})

    async def _run(self, settings: AuthSettings) -> None:
        while True:
            try:
                await self.once(settings)
                await asyncio.sleep(EVERY)
            except Unavailable:
                await asyncio.sleep(AGAIN)  # readiness shows it already
            except SealBroken as error:
                _log.error("%s", error)
                await asyncio.sleep(EVERY)
            except Exception:
                _log.exception("housekeeping failed; it is tried again in %g s", EVERY)
                await asyncio.sleep(EVERY)

    async def once(self, settings: AuthSettings) -> None:
        """All of it, once."""
        await self._keys.published()  # makes the first key before the first login
        if settings.auth_admin_email:
            await self._registrar.ensure_admin(settings.auth_admin_email, settings.auth_admin_password)
        now = time.time()
        await self._sessions.forget(now)
        await self._attempts.forget(now - WINDOW)
