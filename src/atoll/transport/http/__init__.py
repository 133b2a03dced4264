"""Operations over HTTP/1.1: an ASGI application that serves them, a channel that calls them.

Its one type is `HttpApp`, a plain ASGI callable with everything planned at start-up.
It must not import a driver: uvicorn is imported only by the file that carries its name, and the client's httptools in its folder.
"""

from atoll.transport.http.client.channel import HttpChannel
from atoll.transport.http.client.port import HttpClient, HttpReply
from atoll.transport.http.limits import HttpLimits
from atoll.transport.http.server.app import HttpApp
from atoll.transport.http.server.asgi import ASGIApp, Identify

__all__ = ["ASGIApp", "HttpApp", "HttpChannel", "HttpClient", "HttpLimits", "HttpReply", "Identify"]
