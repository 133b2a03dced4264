"""An ordered, named, printable list of layers. The first is the outermost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from atoll.service.request import Handler, Layer


@dataclass(frozen=True, slots=True)
class Named:
    """A layer, its name, why it stands where it stands, and the numbers that it works with."""

    name: str
    layer: Layer
    why: str = ""
    numbers: Mapping[str, object] = field(default_factory=dict)

    def __str__(self) -> str:
        """``retry  attempts=3 base=0.05``."""
        return " ".join((self.name, *(f"{name}={value}" for name, value in self.numbers.items())))


class Stack:
    """Immutable; every change makes a new one."""

    def __init__(self, layers: Iterable[Named] = ()) -> None:
        self._layers = tuple(layers)
        names = [named.name for named in self._layers]
        for name in names:
            if names.count(name) > 1:
                raise ValueError(f"two layers are named {name!r}; give one of them another name")

    def __iter__(self) -> Iterator[Named]:
        return iter(self._layers)

    def __len__(self) -> int:
        return len(self._layers)

    def __str__(self) -> str:
        """One line a layer, the outermost first: its name, and why it stands there."""
        width = max((len(named.name) for named in self._layers), default=0)
        return "\n".join(f"{named.name:<{width}}  {named.why}".rstrip() for named in self._layers)

    def before(self, name: str, named: Named) -> Stack:
        """With ``named`` just outside of the layer called ``name``."""
        at = self._index(name)
        return Stack((*self._layers[:at], named, *self._layers[at:]))

    def after(self, name: str, named: Named) -> Stack:
        """With ``named`` just inside of the layer called ``name``."""
        at = self._index(name) + 1
        return Stack((*self._layers[:at], named, *self._layers[at:]))

    def replace(self, name: str, layer: Layer) -> Stack:
        """With another layer in the place of ``name``."""
        at = self._index(name)
        old = self._layers[at]
        return Stack((*self._layers[:at], Named(old.name, layer, old.why, old.numbers), *self._layers[at + 1 :]))

    def without(self, name: str) -> Stack:
        """Without the layer called ``name``."""
        at = self._index(name)
        return Stack((*self._layers[:at], *self._layers[at + 1 :]))

    def around(self, handler: Handler) -> Handler:
        """The handler with all layers around it."""
        for named in reversed(self._layers):
            handler = named.layer(handler)
        return handler

    def _index(self, name: str) -> int:
        for at, named in enumerate(self._layers):
            if named.name == name:
                return at
        known = ", ".join(named.name for named in self._layers) or "none"
        raise KeyError(f"no layer is named {name!r}; there are: {known}")
