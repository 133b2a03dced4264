"""What a defence is, and how it is taken out."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    """An exact text of the source, what stands there instead, the tests that must fail then.

    path: below src/atoll; the text must be there exactly once. promise: the sentence of the documentation that the defence holds.
    short: runs by default, the others with ATOLL_MUTATIONS=all.
    """

    name: str
    promise: str
    path: str
    text: str
    instead: str
    tests: tuple[str, ...]
    short: bool = True
