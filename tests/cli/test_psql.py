from __future__ import annotations

import pytest

from atoll.cli.psql import without_password


@pytest.mark.parametrize(
    ("url", "shown", "password"),
    [
        ("postgresql://web:s3%40cret@127.0.0.1:5432/web", "postgresql://web@127.0.0.1:5432/web", "s3@cret"),
        ("postgresql://web:x@[::1]:1/web?sslmode=require", "postgresql://web@[::1]:1/web?sslmode=require", "x"),
        ("postgresql://host/web", "postgresql://host/web", ""),
    ],
)
def test_the_password_leaves_the_url(url: str, shown: str, password: str) -> None:
    assert without_password(url) == (shown, password)
