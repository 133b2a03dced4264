"""The dashboard as a process of its own beside the system: what it shows must not be able to slow it."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from atoll.platform.local.folder import Folder
from atoll.platform.local.keeper import Care, Keeper
from atoll.platform.local.parts import PartView, view
from atoll.platform.local.ports import LOOPBACK
from atoll.platform.local.probes import answers_ok
from atoll.platform.local.process import MARK, Launch

KIND = "dashboard"
_ANOTHER = (
    "OTEL_EXPORTER_OTLP_ENDPOINT",
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_TRACES_EXPORTER",
    "OTEL_SDK_DISABLED",
)


class OwnDashboard:
    """The page and the OTLP receiver behind it. file: system.py."""

    kind = KIND

    def __init__(self, folder: Folder, port: int, file: Path) -> None:
        self.port = port
        self.keeper: Keeper | None = None
        self._folder = folder
        self._file = file

    @property
    def url(self) -> str:
        """Where a browser finds it, and exporters."""
        return f"http://{LOOPBACK}:{self.port}"

    def view(self) -> PartView:
        return view(KIND, self.keeper, self.url)

    async def start(self, watch: Callable[[Keeper], None]) -> None:
        """Returns when it answers. Trouble if it does not."""
        argv = (sys.executable, "-m", "atoll", "-f", str(self._file), "dashboard", "--port", str(self.port))
        own = {name: value for name, value in os.environ.items() if name.startswith("ATOLL_DASHBOARD_")}
        environment = {**own, MARK: str(self._folder.path), "PYTHONSAFEPATH": "1"}
        launch = Launch(KIND, argv, environment, self._folder.path, self._folder.log(KIND))
        self.keeper = Keeper(Care(launch, self._ready, watch))
        await self.keeper.start()

    def senders(self, environment: Mapping[str, str]) -> dict[str, str]:
        """What services and the gateway are told, so that their spans come here; nothing if the user sends them elsewhere.

        Logs and metrics are not sent: the dashboard reads the files of all processes and asks each service for /metrics.
        """
        if any(environment.get(name) for name in _ANOTHER):
            return {}
        return {
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.url,
            "OTEL_LOGS_EXPORTER": "none",
            "OTEL_METRICS_EXPORTER": "none",
            "OTEL_BSP_SCHEDULE_DELAY": "1000",
        }

    async def _ready(self) -> bool:
        return await answers_ok(f"{self.url}/api/store")
