"""How requests travel: over HTTP to and from other processes, or in this process for tests.

Its one type is `Channel` (a contract's port): `HttpChannel` and `LocalChannel` carry a typed client's calls.
It must not import `messaging`, `sagas` or anything of the platform.
"""

from atoll.transport.local import LocalChannel

__all__ = ["LocalChannel"]
