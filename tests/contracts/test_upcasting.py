"""Versions of events: a reader of any version reads the others, or says what is missing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import BadRequest, Event, Invalid, Raw, decoder_for_event, upcasts
from atoll.testing.event_fixtures import check_event_fixtures, write_event_fixture


class First(Event, subject="user.named", version=1, key="user"):
    user: str
    name: str


class Third(Event, subject="user.named", version=3, key="user"):
    user: str
    first: str
    last: str
    title: str = ""


@upcasts(Third, from_version=1)
def split_name(raw: Raw) -> Raw:
    first, _, last = raw.pop("name").partition(" ")
    return raw | {"first": first, "last": last}


decode = decoder_for_event(Third, [split_name])


@given(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=30))
def test_one_that_knows_version_3_reads_1(name: str) -> None:
    first, _, last = name.partition(" ")
    assert decode(msgspec.json.encode(First("u", name)), 1) == Third("u", first, last)


def test_additive_changes_need_no_upcaster() -> None:
    assert decode(b'{"user": "u", "first": "Ada", "last": "L"}', 2) == Third("u", "Ada", "L")


def test_one_that_knows_version_1_reads_2_if_2_only_adds() -> None:
    assert decoder_for_event(First)(b'{"user": "u", "name": "Ada", "title": "Dr"}', 2) == First("u", "Ada")


@pytest.mark.parametrize(
    ("body", "version", "why"),
    [
        (b"{}", 1, r"user\.named version 1: the upcaster .*split_name failed: KeyError: 'name'"),
        (
            b'{"user": "u"}',
            2,
            r"version 2 does not read as version 3: first: is required; .*@upcasts\(Third, from_version=2\)",
        ),
        (b'{"user": "u"}', 4, r"was written as version 4 and this reader knows 3: .*release the reader first"),
        (b'{"user": "u"}', 0, r"says version 0"),
        (b'{"user": "u"}', 3, r"first: is required"),
    ],
)
def test_what_cannot_be_read_says_why(body: bytes, version: int, why: str) -> None:
    with pytest.raises(Invalid, match=why):
        decode(body, version)


@pytest.mark.parametrize("version", [1, 2, 3, 4])
def test_what_is_no_json_is_a_bad_request(version: int) -> None:
    with pytest.raises(BadRequest):
        decode(b"{", version)


def test_upcasters_of_other_events_are_passed_over() -> None:
    assert decoder_for_event(First, [split_name])(b'{"user": "u", "name": "Ada"}', 1) == First("u", "Ada")


def test_wrong_upcasters_are_refused() -> None:
    with pytest.raises(TypeError, match="starts from 1 to 2, not from 3"):
        upcasts(Third, from_version=3)
    with pytest.raises(TypeError, match="has no subject"):
        upcasts(Event, from_version=1)

    @upcasts(Third, from_version=1)
    def twin(raw: Raw) -> Raw:
        return raw

    with pytest.raises(TypeError, match=r"split_name and .*twin both upcast version 1 of Third"):
        decoder_for_event(Third, [split_name, twin])

    def unmarked(raw: dict[str, Any]) -> dict[str, Any]:
        return raw

    with pytest.raises(TypeError, match="unmarked is no upcaster"):
        decoder_for_event(Third, [unmarked])


def test_an_upcaster_stays_the_function_that_it_is() -> None:
    assert split_name({"user": "u", "name": "Ada L"}) == {"user": "u", "first": "Ada", "last": "L"}


def test_fixtures_of_every_version_are_read(tmp_path: Path) -> None:
    write_event_fixture(tmp_path, First("u", "Ada Lovelace"))
    (tmp_path / "user.named" / "v2.json").write_text('{"user": "u", "first": "Ada", "last": "L"}')
    written = write_event_fixture(tmp_path, Third("u", "Ada", "L", "Dr"), "titled")
    assert written.name == "v3-titled.json"
    assert check_event_fixtures(tmp_path, [Third], [split_name]) == 3


def test_fixtures_that_are_missing_or_unreadable_are_named(tmp_path: Path) -> None:
    write_event_fixture(tmp_path, First("u", "Ada"))
    (tmp_path / "user.named" / "third.json").write_text("{}")
    (tmp_path / "user.gone").mkdir()
    (tmp_path / "user.gone" / "v1.json").write_text("{}")
    with pytest.raises(AssertionError) as caught:
        check_event_fixtures(tmp_path, [Third])
    found = str(caught.value)
    assert "user.gone/v1.json: no event has the subject user.gone" in found
    assert "v1.json: user.named version 1 does not read as version 3" in found
    assert "third.json: a fixture's name is like v1.json" in found
    assert "v2.json is missing" in found
    assert "v3.json is missing" in found
    with pytest.raises(ValueError, match="is no name for a fixture"):
        write_event_fixture(tmp_path, First("u", "Ada"), "No Name")
