"""Settings come from the environment once, typed, and a wrong one is named."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import pytest
from msgspec import Meta, Struct

from atoll.serve.failure import CannotServe
from atoll.serve.settings import read_settings


class Limits(Struct, frozen=True):
    card_limit: Annotated[int, Meta(ge=1)] = 10
    currency: str = "EUR"


@dataclass(frozen=True)
class Plain:
    api_key: str
    ratio: float = 0.5


def test_text_becomes_the_fields_type() -> None:
    assert read_settings(Limits, {"CARD_LIMIT": "25", "OTHER": "x"}) == Limits(25, "EUR")
    assert read_settings(Plain, {"API_KEY": "k", "RATIO": "0.25"}) == Plain("k", 0.25)


@pytest.mark.parametrize(
    ("kind", "values", "name"), [(Limits, {"CARD_LIMIT": "0"}, "CARD_LIMIT"), (Plain, {}, "API_KEY")]
)
def test_a_wrong_or_missing_one_is_named(kind: type, values: dict[str, str], name: str) -> None:
    with pytest.raises(CannotServe) as caught:
        read_settings(kind, values)
    assert name in str(caught.value)


def test_a_wrong_value_is_not_shown() -> None:
    with pytest.raises(CannotServe) as caught:
        read_settings(Limits, {"CARD_LIMIT": "hush-hush"})
    assert "hush" not in str(caught.value)
