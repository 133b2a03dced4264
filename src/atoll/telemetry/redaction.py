"""What must never leave a service in its telemetry, should somebody have put it into a text: it is covered.

The framework itself records no bodies, no headers, no query strings and no values of statements. This is the net below it,
for error texts, log lines and the attributes of one's own spans.
"""

from __future__ import annotations

import re

COVER = "[redacted]"
_TELLING = (
    r"password|passwd|passphrase|secret|token|authorization|api[_-]?key|cookie|cvc|cvv|card[_-]?number|atoll-peer"
)
_NAMES = re.compile(_TELLING, re.IGNORECASE)
_TEXT = re.compile(
    r"(?P<jwt>\beyJ[\w-]{6,}\.[\w-]{6,}\.[\w-]*)"
    r"|(?P<bearer>(?<=\bbearer )[\w.~+/=-]{6,}|(?<=\bbasic )[A-Za-z0-9+/=]{6,})"
    r"|(?P<url>(?<=://)[^\s/@:]*:[^\s/@]+(?=@))"
    r"|(?P<mail>\b[\w.+%-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63})+)"
    r"|(?P<named>(?:" + _TELLING + r")[\"']?\s*[=:]\s*[\"']?(?P<value>[^\s\"'&,;}]+))"
    r"|(?P<card>(?<![\d.-])\d(?:[ -]?\d){12,18}(?![\d-]))",
    re.IGNORECASE,
)


def redacted(text: str) -> str:
    """The text without tokens, passwords, card numbers and e-mail addresses."""
    return _TEXT.sub(_cover, text)


def is_secret(name: str) -> bool:
    """Whether a field of that name is not to be shown, whatever it holds."""
    return _NAMES.search(name) is not None


def _cover(found: re.Match[str]) -> str:
    whole = found.group()
    if found.lastgroup == "card" and not _is_card(whole):
        return whole
    if found.group("named") is not None:
        return whole[: found.start("value") - found.start()] + COVER
    return COVER


def _is_card(text: str) -> bool:
    """Luhn's check, which numbers of other things rarely pass."""
    digits = [int(one) for one in reversed(text) if one.isdigit()]
    doubled = sum(sum(divmod(2 * one, 10)) for one in digits[1::2])
    return (sum(digits[::2]) + doubled) % 10 == 0
