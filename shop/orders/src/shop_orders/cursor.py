"""Cursors of order pages: the id of the last order on the page before, in a form that nobody is tempted to take apart.

Orders' ids sort by the time they were placed, so a page is "what came before this id": new orders never shift a page.
"""

from __future__ import annotations

import base64
import binascii
from uuid import UUID

from atoll.contracts import FieldError, Invalid
from shop_contracts import OrderId

_SIZE = 16  # bytes of a UUID
_PADDING = "=="  # what 16 bytes in base64 end with; left out in the cursor


def encode_cursor(last: OrderId) -> str:
    """The cursor of the page after the order ``last``."""
    return base64.urlsafe_b64encode(last.bytes).decode("ascii").removesuffix(_PADDING)


def decode_cursor(cursor: str) -> OrderId:
    """The order after which the page begins; Invalid, naming ``query:cursor``, for anything that `encode_cursor` did not make."""
    try:
        raw = base64.b64decode(cursor + _PADDING, altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise _broken() from None
    if len(raw) != _SIZE or encode_cursor(found := OrderId(UUID(bytes=raw))) != cursor:
        raise _broken()
    return found


def _broken() -> Invalid:
    what = "is not a cursor of this list; take `next` of the page before, unchanged"
    return Invalid(f"query:cursor: {what}", fields=[FieldError("query:cursor", what)])
