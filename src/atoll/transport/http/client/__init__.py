"""Calling operations over HTTP.

Its one type is `HttpChannel`, which carries a typed client's calls over the thin port `HttpClient`.
Only the folder `httptools` in here imports httptools.
"""

from atoll.transport.http.client.channel import HttpChannel
from atoll.transport.http.client.port import HttpClient, HttpReply

__all__ = ["HttpChannel", "HttpClient", "HttpReply"]
