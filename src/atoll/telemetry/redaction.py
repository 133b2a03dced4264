"""What must never leave a service in its telemetry, should somebody have put it into a text: it is covered.

The framework itself records no bodies, no headers, no query strings and no values of statements. This is the net below it,
for error texts, log lines and the attributes of one's own spans.
"""

from __future__ import annotations

import re
import traceback

COVER = "[redacted]"
SHORTEST_CARD = 10**12  # the least number that may be one
_TELLING = (
    r"password|passwd|passphrase|\bpwd|secret|token|authorization|(?:api|private)[_-]?key|cookie|cvc|cvv|card[_-]?number|"
    r"atoll-peer"
)
_NAMES = re.compile(_TELLING, re.IGNORECASE)
_TEXT = re.compile(
    r"(?P<jwt>\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*)"
    r"|(?P<bearer>(?<=\bbearer )[\w.~+/=-]{6,}|(?<=\bbasic )[A-Za-z0-9+/=]{6,})"
    r"|(?P<url>(?<=://)[^\s/@:]*:[^\s/@]+(?=@))"
    r"|(?P<mail>\b[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)"
    # A value in quotation marks ends with the same one; the marks may be escaped, as in JSON in JSON, or follow Python's b.
    r"|(?P<named>(?:" + _TELLING + r")\\?[\"']?\s*[=:]\s*"
    r"(?:(?-i:b)?(?P<mark>\\?[\"'])(?P<quoted>[^\n]{1,4000}?)(?P=mark)|(?-i:b)?\\?[\"']?(?P<value>[^\s\"'&,;}]+)))"
    r"|(?P<card>(?<![\d.])(?<!\d-)\d(?:[ -]?\d){12,18}(?![\d-]))",
    re.IGNORECASE,
)


# What drivers and databases repeat of a statement's values.
_REPEATED = re.compile(
    r"(?P<said>invalid input for query argument \$\d+: )[^\n]+?(?= \([^\n()]*\)(?:\n|\Z)|\n|\Z)"
    r"|(?P<of>(?:invalid input (?:syntax for|value for enum)[^\n:]{0,200}|field value out of range|"
    r"malformed [\w ]{1,40} literal): )"
    r"\"[^\n]*\""
    r"|(?P<value>\bvalue )\"[^\n\"]*\"(?= is out of range)"
)
_REPEATS = ("invalid input", "out of range", " literal: ")
# PostgreSQL's second line shows the row, or its key, with its values; behind it may come anything that stood in them.
_DETAIL = re.compile(r"\n[ |]*DETAIL: .*", re.DOTALL)


def redacted(text: str) -> str:
    """The text without tokens, passwords, card numbers, e-mail addresses, and rows that a database shows with its errors."""
    if "DETAIL: " in text:
        text = _DETAIL.sub("", text)
    if any(words in text for words in _REPEATS):
        text = _REPEATED.sub(lambda found: f"{found[found.lastgroup or 0]}{COVER}", text)
    return _TEXT.sub(_cover, text)


def traceback_of(error: BaseException) -> str:
    """The error with its causes, as Python shows them, redacted. Each is looked at alone: all come, without their details."""
    return "".join(_line(part) for part in traceback.format_exception(error))


def _line(part: str) -> str:
    covered = redacted(part)
    return covered if covered.endswith("\n") else f"{covered}\n"


def is_secret(name: str) -> bool:
    """Whether a field of that name is not to be shown, whatever it holds."""
    return _NAMES.search(name) is not None


def _cover(found: re.Match[str]) -> str:
    whole = found.group()
    if found.lastgroup == "card" and not _is_card(whole):
        return whole
    for name in ("quoted", "value"):
        if found.group(name) is not None:
            start, end = found.start(name) - found.start(), found.end(name) - found.start()
            return whole[:start] + COVER + whole[end:]
    return COVER


def _is_card(text: str) -> bool:
    """Luhn's check, which numbers of other things rarely pass."""
    digits = [int(one) for one in reversed(text) if one.isdigit()]
    doubled = sum(sum(divmod(2 * one, 10)) for one in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0
