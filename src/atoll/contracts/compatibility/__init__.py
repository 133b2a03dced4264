"""Whether two releases of a service can run side by side, and beside those who use it: their documents compared.

Its one type is `Change`: what differs, whether that breaks somebody, and whom.
It is pure, reads no file and asks no service; it must not import any other room.
"""

from atoll.contracts.compatibility.changes import Change
from atoll.contracts.compatibility.compare import compare, misread
from atoll.contracts.compatibility.documents import Documents

__all__ = ["Change", "Documents", "compare", "misread"]
