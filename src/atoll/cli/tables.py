"""Rows in columns, for a terminal and for grep."""

from __future__ import annotations

from collections.abc import Sequence

import click


def print_table(titles: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Numbers to the right, texts to the left, the last column as it is."""
    texts = [[_text(value) for value in row] for row in rows]
    widths = [
        max(len(title), *(len(row[at]) for row in texts)) if texts else len(title) for at, title in enumerate(titles)
    ]
    right = [bool(rows) and all(isinstance(row[at], (int, float)) for row in rows) for at in range(len(titles))]
    for row in ([*titles], *texts):
        cells = [
            text.rjust(width) if to_right else text.ljust(width)
            for text, width, to_right in zip(row, widths, right, strict=True)
        ]
        click.echo("  ".join(cells).rstrip())


def one_line(text: str, most: int = 100) -> str:
    """The text's first line, cut."""
    first = text.splitlines()[0] if text else ""
    return first if len(first) <= most else f"{first[: most - 3]}..."


def plain_text(text: str) -> str:
    """Without what would steer the terminal: much of what is shown was written by somebody else. Line breaks go as well."""
    return text if text.isprintable() else "".join(letter if letter.isprintable() else "?" for letter in text)


def plain_lines(text: str) -> str:
    """The same, but lines stay lines, and tabs tabs."""
    return "\n".join("\t".join(map(plain_text, line.split("\t"))) for line in text.split("\n"))


def _text(value: object) -> str:
    return "-" if value is None else plain_text(str(value))
