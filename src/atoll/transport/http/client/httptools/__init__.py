"""`HttpClient` in the event loop's own thread: asyncio carries the bytes, httptools (llhttp) parses the replies.

Its one type is `HttptoolsClient`. Nothing outside of this folder may know how a connection works.
"""

from atoll.transport.http.client.httptools.client import HttptoolsClient

__all__ = ["HttptoolsClient"]
