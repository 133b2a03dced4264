"""Which traces are kept: decided at their head by the standard samplers, and once more at the end of each local root."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

Sample = Callable[[str, bool | None], bool]
"""From a trace's id, and what its parent elsewhere decided (None: there is none), to whether it is sampled."""
SAMPLERS = (
    "always_on", "always_off", "traceidratio", "parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Keeping:
    """What is kept although the head said no. errors: traces in which something failed. slow: roots of so many seconds.

    The decision is this process's alone: others have made theirs already, so that such a trace shows this service only.
    """

    errors: bool = True
    slow: float = 1.0

    @property
    def anything(self) -> bool:
        """Whether spans are recorded on suspicion."""
        return self.errors or self.slow > 0


def sampler(name: str, ratio: float = 1.0) -> Sample:
    """The sampler of that name of OTEL_TRACES_SAMPLER; ValueError if there is none. ratio: between 0 and 1."""
    if name not in SAMPLERS:
        raise ValueError(f"no sampler is named {name!r}; there are: {', '.join(SAMPLERS)}")
    first = _roots(name.removeprefix("parentbased_"), ratio)
    if not name.startswith("parentbased_"):
        return lambda trace_id, _: first(trace_id)
    return lambda trace_id, parent: first(trace_id) if parent is None else parent


def _roots(name: str, ratio: float) -> Callable[[str], bool]:
    if name != "traceidratio":
        decision = name == "always_on"
        return lambda _: decision
    bound = round(ratio * 2**64)
    return lambda trace_id: int(trace_id[16:], 16) < bound  # as OpenTelemetry's own samplers: all services decide alike
