"""The composition root that `atoll serve` runs: from a `Service` and its environment to a running process.

Its one function is `atoll.serve.run.serve`; only here do all rooms of the SDK and their adapters meet.
It must not import the platform: the two meet through environment variables, health pages and the registry.
"""

from atoll.serve.failure import CannotServe

__all__ = ["CannotServe"]
