from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atoll.contracts import BadRequest, Invalid
from atoll.messaging import Envelope
from atoll.messaging.broker import open_broker, partition_of
from atoll.messaging.envelope import decode_envelope, encode_envelope

text = st.text(st.characters(exclude_categories=["Cs"]))
names = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"))


@given(identity=names.filter(bool), key=names, data=st.dictionaries(text, st.integers() | text))
def test_an_envelope_comes_back_as_it_was(identity: str, key: str, data: dict[str, object]) -> None:
    envelope = Envelope(
        id=identity, source="/shop/orders", type="order.created", subject=key, partitionkey=key,
        time=datetime(2024, 2, 29, 12, 30, tzinfo=UTC), data=msgspec.Raw(msgspec.json.encode(data)),
    )  # fmt: skip
    back = decode_envelope(encode_envelope(envelope))
    assert (back.id, back.source, back.type, back.subject, back.time) == (
        envelope.id, envelope.source, envelope.type, envelope.subject, envelope.time,
    )  # fmt: skip
    assert msgspec.json.decode(back.data) == data


def test_what_is_not_set_is_not_on_the_wire() -> None:
    wire = msgspec.json.decode(encode_envelope(Envelope(id="1", source="s", type="t.t", data=msgspec.Raw(b"{}"))))
    assert "traceparent" not in wire
    assert "time" not in wire


def test_reads_what_other_programs_write() -> None:
    envelope = decode_envelope(
        b'{"specversion":"1.0","id":"1","source":"/other","type":"a.b","time":"2024-01-01T00:00:00+01:00","extra":[1],"data":{}}'
    )
    assert envelope.key == "1"
    assert envelope.headers() == {"message-id": "1", "message-source": "/other"}


@pytest.mark.parametrize(
    ("body", "error"),
    [
        (b"", BadRequest),
        (b"\xff\xfe", BadRequest),
        (b"[]", Invalid),
        (b'{"specversion":"0.3","id":"1","source":"s","type":"t","data":1}', Invalid),
        (b'{"specversion":"1.0","id":"","source":"s","type":"t","data":1}', Invalid),
        (b'{"specversion":"1.0","source":"s","type":"t","data":1}', Invalid),
        (b'{"specversion":"1.0","id":"1","source":"s","type":"t"}', Invalid),
        (b'{"specversion":"1.0","id":"1\\u0000","source":"s","type":"t","data":1}', Invalid),
        (b'{"specversion":"1.0","id":"1","partitionkey":"\\u0000","source":"s","type":"t","data":1}', Invalid),
        (b'{"specversion":"1.0","id":"\\ud800","source":"s","type":"t","data":1}', BadRequest),
        (b'{"data":' + b"[" * 100_000, BadRequest),
    ],
)
def test_what_is_no_envelope_is_refused(body: bytes, error: type[Exception]) -> None:
    with pytest.raises(error):
        decode_envelope(body)


@given(text)
def test_a_key_has_one_partition(key: str) -> None:
    assert 0 <= partition_of(key, 8) < 8
    assert partition_of(key, 8) == partition_of(key, 8)


def test_the_partition_of_a_key_never_changes() -> None:
    """Services of different releases and languages must agree; CRC-32 of "123456789" is 0xCBF43926 everywhere."""
    assert partition_of("123456789", 8) == 0xCBF43926 % 8


@pytest.mark.parametrize("url", ["carrier-pigeon://somewhere", "127.0.0.1:4222", ""])
def test_an_unknown_broker_is_one_line(url: str) -> None:
    with pytest.raises(ValueError, match=r"no broker speaks .*; give nats://host:port.* or memory://"):
        open_broker(url, system="shop")
