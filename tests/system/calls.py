"""Plain HTTP calls for the system tests: the standard library alone, so that no code under test judges itself."""

from __future__ import annotations

import http.client
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

TIMEOUT = 20.0  # seconds; longer than any deadline of the shop


@dataclass(frozen=True)
class Answer:
    """What came back. headers: lower-case names."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def fields(self) -> list[str]:
        """The fields that a problem document names."""
        return [one["field"] for one in self.json.get("errors", ())]

    def must(self, status: int) -> Answer:
        assert self.status == status, f"{self.status} instead of {status}: {self.body[:500]!r}"
        return self

    def must_be_problem(self, status: int) -> Answer:
        """A problem document of that status, and no word of the inside."""
        self.must(status)
        assert self.headers["content-type"].startswith("application/problem+json"), (self.headers, self.body)
        assert self.json["status"] == status
        assert self.json["title"]
        assert b"Traceback" not in self.body
        return self


def call(
    base: str,
    method: str,
    path: str,
    body: object = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout: float = TIMEOUT,
) -> Answer:
    """One call on a connection of its own; OSError or HTTPException if it fails. body: bytes, or a value for JSON."""
    address = urlsplit(base)
    connection = http.client.HTTPConnection(str(address.hostname), address.port or 80, timeout=timeout)
    try:
        with suppress(
            BrokenPipeError
        ):  # who refuses a body need not read it to its end; the answer is there all the same
            connection.request(method, path, _bytes(body), {**_type_of(body), **(headers or {})})
        response = connection.getresponse()
        content = response.read()
        return Answer(response.status, {name.lower(): value for name, value in response.getheaders()}, content)
    finally:
        connection.close()


def _bytes(body: object) -> bytes | None:
    if body is None or isinstance(body, bytes):
        return body
    return json.dumps(body).encode()


def _type_of(body: object) -> dict[str, str]:
    return {} if body is None else {"content-type": "application/json"}
