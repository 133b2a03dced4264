"""What a person must put right: said in one line, never as a stack trace."""

from __future__ import annotations


class Trouble(Exception):
    """One line: what is wrong, where, and what to do. The command line prints it and exits with 1.

    details: lines that help to find the cause (the last ones of a log, say); printed below the line.
    """

    def __init__(self, line: str, details: tuple[str, ...] = ()) -> None:
        super().__init__(" ".join(line.split()))
        self.details = details
