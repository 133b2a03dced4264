"""A tutorial's files and commands, taken from its page."""

from __future__ import annotations

import argparse
import re
import shlex
from pathlib import Path
from urllib.parse import urlsplit

from tests.system.calls import call
from tests.system.local_system import REPOSITORY

FILE = re.compile(r"^```python title=(\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
CONSOLE = re.compile(r"^```console\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def page(name: str) -> str:
    return (REPOSITORY / "docs" / name).read_text("utf-8")


def write_files(text: str, folder: Path) -> None:
    for name, content in FILE.findall(text):
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)


def commands(text: str) -> list[list[str]]:
    blocks = "".join(CONSOLE.findall(text))
    return [shlex.split(line.removeprefix("$ ")) for line in blocks.splitlines() if line.startswith("$ ")]


def curl(arguments: list[str], gateway: str) -> str:
    """What curl would print: it need not be installed where the tests run."""
    options = argparse.ArgumentParser()
    options.add_argument("-s", action="store_true")
    options.add_argument("-H", dest="headers", action="append", default=[])
    options.add_argument("-d", dest="data")
    options.add_argument("url")
    given = options.parse_args(arguments)
    headers = dict(header.split(": ", 1) for header in given.headers)
    body = given.data.encode() if given.data else None
    method = "POST" if body else "GET"
    return call(gateway, method, urlsplit(given.url).path, body, headers=headers).body.decode()
