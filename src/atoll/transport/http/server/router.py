"""Which endpoint answers a path: a dictionary for plain paths, a tree of segments for those with parameters.

Plain segments win over parameters. A parameter is never empty, and ``%2F`` inside of one is part of its value.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Generic, TypeVar
from urllib.parse import unquote_to_bytes

E = TypeVar("E")
Values = tuple[bytes, ...]
NO_VALUES: Values = ()


@dataclass(slots=True)
class _Node(Generic[E]):
    plain: dict[bytes, _Node[E]] = field(default_factory=dict)
    parameter: _Node[E] | None = None
    endpoints: dict[str, E] = field(default_factory=dict)


class Router(Generic[E]):
    """Filled at start-up with `add`, then only asked."""

    def __init__(self) -> None:
        self._root: _Node[E] = _Node()
        self._plain: dict[tuple[str, bytes], E] = {}

    def add(self, method: str, path: str, endpoint: E) -> None:
        """``path`` is like ``/orders/{id}``; TypeError if something answers it already."""
        node = self._root
        for segment in path.encode().split(b"/")[1:]:
            if segment.startswith(b"{"):
                node.parameter = node.parameter or _Node()
                node = node.parameter
            else:
                node = node.plain.setdefault(segment, _Node())
        if method in node.endpoints:
            raise TypeError(f"{method} {path} is served already; give one of the two another path")
        node.endpoints[method] = endpoint
        if "{" not in path:
            self._plain[method, path.encode()] = endpoint

    def find(self, method: str, path: bytes) -> tuple[E, Values] | None:
        """The endpoint, and the decoded value of each parameter in order. ``path`` is as sent, percent-encoded."""
        endpoint = self._plain.get((method, path))
        if endpoint is not None:
            return endpoint, NO_VALUES
        for node, values in self._nodes(path):
            endpoint = node.endpoints.get(method)
            if endpoint is not None:
                return endpoint, values
        return None

    def methods(self, path: bytes) -> frozenset[str]:
        """The methods that the path is served with; none if there is no such path."""
        return frozenset(method for node, _ in self._nodes(path) for method in node.endpoints)

    def _nodes(self, path: bytes) -> Iterator[tuple[_Node[E], Values]]:
        segments = path.split(b"/")[1:]
        if b"%" in path:
            segments = [unquote_to_bytes(segment) for segment in segments]
        yield from _walk(self._root, segments, 0, NO_VALUES)


def _walk(node: _Node[E], segments: list[bytes], at: int, values: Values) -> Iterator[tuple[_Node[E], Values]]:
    if at == len(segments):
        if node.endpoints:
            yield node, values
        return
    segment = segments[at]
    plain = node.plain.get(segment)
    if plain is not None:
        yield from _walk(plain, segments, at + 1, values)
    if node.parameter is not None and segment:
        yield from _walk(node.parameter, segments, at + 1, (*values, segment))
