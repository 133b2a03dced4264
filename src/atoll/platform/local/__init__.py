"""Runs a whole system on this machine: real parts, each service its own process, one supervisor that keeps them.

Its one type is `Supervisor`. It must not import any room that lives inside a service: the two meet through
environment variables, health URLs and the registry's HTTP API.
"""

__all__: list[str] = []
