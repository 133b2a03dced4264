"""A service is configured by its environment alone; each mistake in it is one line that names the variable."""

from __future__ import annotations

import pytest

from atoll.serve.environment import Environment, read_environment
from atoll.serve.failure import CannotServe


def test_an_empty_environment_gives_the_defaults() -> None:
    assert read_environment({}) == Environment()


def test_all_variables_are_read() -> None:
    found = read_environment({
        "ATOLL_HOST": "127.0.0.2", "ATOLL_PORT": "4001", "ATOLL_SYSTEM": "shop", "ATOLL_PEERS": '{"gateway": "s1"}',
        "ATOLL_ENDPOINTS_PRICE_LIST": "http://127.0.0.1:1/, http://127.0.0.1:2", "ATOLL_DRAIN_WAIT": "0.5",
    })  # fmt: skip
    assert (found.host, found.port, found.system, found.drain_wait) == ("127.0.0.2", 4001, "shop", 0.5)
    assert found.peers == {"gateway": "s1"}
    assert found.endpoints == {"price-list": ("http://127.0.0.1:1", "http://127.0.0.1:2")}


@pytest.mark.parametrize(
    ("name", "value", "complaint"),
    [
        ("ATOLL_PORT", "http", "ATOLL_PORT is 'http'; it must be a number"),
        ("ATOLL_PORT", "70000", "between 0 and 65535"),
        ("ATOLL_GRACE", "-1", "between 0 and 3600"),
        ("ATOLL_GRACE", "nan", "between 0 and 3600"),
        ("ATOLL_ENDPOINTS_PAYMENTS", "payments:80", "a base URL such as"),
        ("ATOLL_PEERS", "{", "ATOLL_PEERS is not a JSON object"),
        ("ATOLL_PEERS", '{"gateway": 3}', "ATOLL_PEERS is not a JSON object"),
        ("ATOLL_PEER_KEYS", '["a"]', "ATOLL_PEER_KEYS is not a JSON object"),
    ],
)
def test_a_mistake_is_one_line_that_names_the_variable(name: str, value: str, complaint: str) -> None:
    with pytest.raises(CannotServe) as caught:
        read_environment({name: value})
    assert complaint in str(caught.value)
    assert "\n" not in str(caught.value)


def test_secrets_show_neither_in_complaints_nor_in_the_representation() -> None:
    with pytest.raises(CannotServe) as caught:
        read_environment({"ATOLL_PEERS": '{"gateway": "hush-hush"'})
    assert "hush" not in str(caught.value)
    found = read_environment({
        "ATOLL_PEERS": '{"gateway": "hush"}', "ATOLL_DATABASE_URL": "postgresql://a:hush@h/d", "ATOLL_REGISTRY_TOKEN": "hush",
        "ATOLL_BROKER_URL": "nats://u:hush@h", "ATOLL_PEER_KEYS": '{"payments": "hush"}',
    })  # fmt: skip
    assert "hush" not in repr(found)
