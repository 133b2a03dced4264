"""What a running system tells of itself, kept and shown: an OTLP receiver, a bounded store, a query API and the page on it.

Its one type is `Store`; everything shown is a query of it or a question to the supervisor. It runs as a process of its own, so
that a flood of telemetry cannot slow the system, and it must not import the SDK: it knows services by what they send.
"""

from __future__ import annotations

from atoll.platform.dashboard.intake import Intake
from atoll.platform.dashboard.rows import Batch, Log, Sample, Span
from atoll.platform.dashboard.sqlite import Reader, Store

__all__ = ["Batch", "Intake", "Log", "Reader", "Sample", "Span", "Store"]
