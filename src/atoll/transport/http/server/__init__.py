"""Serving operations over HTTP.

Its one type is `HttpApp`, an ASGI callable; `uvicorn.HttpServer` puts it on a port.
Only `uvicorn` in here imports uvicorn.
"""

from atoll.transport.http.server.app import HttpApp
from atoll.transport.http.server.asgi import ASGIApp, Identify

__all__ = ["ASGIApp", "HttpApp", "Identify"]
