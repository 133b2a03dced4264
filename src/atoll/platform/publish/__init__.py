"""The model, written for engines that users run already: one engine a file, or a few.

Its one type is `Files`: a publisher is a pure function from the model, and from where it runs, to the texts of files.
It must not import the SDK, the local platform or the command line, and it writes nothing itself.
"""

from __future__ import annotations

from atoll.platform.publish.files import Files
from atoll.platform.publish.prometheus import prometheus_files
from atoll.platform.publish.targets import Target, expected_targets

__all__ = ["Files", "Target", "expected_targets", "prometheus_files"]
