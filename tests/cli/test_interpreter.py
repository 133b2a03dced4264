"""Which Pythons are told to be slow: those built without optimisations."""

from __future__ import annotations

import platform
import sys
import sysconfig
from collections.abc import Callable

import pytest

from atoll.cli.interpreter import optimised, python_told


def built(monkeypatch: pytest.MonkeyPatch, prefix: str, arguments: str | None) -> None:
    asked: Callable[[str], str | None] = {"CONFIG_ARGS": arguments}.get
    monkeypatch.setattr(sys, "base_prefix", prefix)
    monkeypatch.setattr(sysconfig, "get_config_var", asked)


@pytest.mark.parametrize(
    ("prefix", "arguments", "fast"),
    [
        ("/usr", "'--enable-shared'", True),  # Debian
        ("/usr/local", "'--enable-optimizations' '--with-lto'", True),
        ("/home/ada/.pyenv/versions/3.12.1", "'--enable-shared'", False),
        ("/opt/python", None, False),
    ],
)
def test_a_python_is_fast_if_it_says_so_or_a_distribution_made_it(
    monkeypatch: pytest.MonkeyPatch, prefix: str, arguments: str | None, fast: bool
) -> None:
    built(monkeypatch, prefix, arguments)
    assert optimised() is fast
    assert (python_told() == platform.python_version()) is fast
    assert python_told().startswith(platform.python_version())
