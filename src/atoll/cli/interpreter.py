"""What is known of the Python that runs this."""

from __future__ import annotations

import platform
import sys
import sysconfig


def optimised() -> bool:
    """Whether it was built with profile-guided optimisation. pyenv's are not by default; Debian's are, and do not say so."""
    return sys.base_prefix == "/usr" or "--enable-optimizations" in (sysconfig.get_config_var("CONFIG_ARGS") or "")


def python_told() -> str:
    """Its version, and whether it is slower than it need be."""
    version = platform.python_version()
    return version if optimised() else f"{version} (built without --enable-optimizations)"
