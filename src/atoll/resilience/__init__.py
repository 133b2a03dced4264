"""What keeps one failure from becoming many: one layer a file, and the ordered default stacks.

Its one type is `Stack` (of `service`), made by `client_stack` and `server_stack`.
It must not import `telemetry`, `transport` or `discovery`: layers emit frozen records to hooks.
"""

from atoll.resilience.stacks import ClientPolicy, client_stack, server_stack

__all__ = ["ClientPolicy", "client_stack", "server_stack"]
