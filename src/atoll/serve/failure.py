"""What stops a service from starting, said in one line."""

from __future__ import annotations


class CannotServe(Exception):
    """One line: what is wrong, where, what to do. The command prints it and exits with 1; no stack trace."""
