"""YAML as people write it: in the given order, long expressions on lines of their own."""

from __future__ import annotations

import yaml

HEAD = "# Written by `atoll publish`; run it again after a change of system.py.\n"


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:  # noqa: ARG002 - PyYAML's signature
        """Writes what occurs twice twice: people read it."""
        return True


def _text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style="|" if "\n" in text else None)


_Dumper.add_representer(str, _text)


def written(value: object) -> str:
    """The document."""
    return HEAD + yaml.dump(value, Dumper=_Dumper, sort_keys=False, width=10_000, allow_unicode=True)
