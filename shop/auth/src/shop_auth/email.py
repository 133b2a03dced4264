"""Email addresses, as far as a login name needs them."""

from __future__ import annotations

import unicodedata

MAX_EMAIL = 254  # RFC 5321, section 4.5.3.1.3, less the brackets


def normalised(email: str) -> str | None:
    """The one spelling under which the account is kept; None if this can be no account's email."""
    text = unicodedata.normalize("NFC", email.strip()).lower()
    local, at, domain = text.partition("@")
    if not (local and at and domain) or "@" in domain or len(text) > MAX_EMAIL:
        return None
    if any(not character.isprintable() or character.isspace() for character in text):
        return None
    return text
