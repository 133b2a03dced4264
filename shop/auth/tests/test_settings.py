from __future__ import annotations

import pytest
from shop.auth.tests.fakes import ROBOT

from atoll.serve.failure import CannotServe
from atoll.serve.settings import read_settings
from shop_auth import AuthSettings, service
from shop_auth.clients import read_clients


def test_without_any_variable_it_works() -> None:
    settings = read_settings(AuthSettings, {})
    assert settings == AuthSettings()
    assert settings.rotation().ahead == 3600


def test_variables_are_the_fields_in_capitals() -> None:
    settings = read_settings(
        AuthSettings, {"AUTH_TOKEN_LIFETIME": "5", "ATOLL_JWT_ISSUER": "me", "AUTH_CLIENTS": ROBOT}
    )
    assert (settings.auth_token_lifetime, settings.atoll_jwt_issuer) == (5, "me")
    assert "a-secret" not in repr(settings) + repr(read_clients(settings.auth_clients))


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"AUTH_TOKEN_LIFETIME": "soon"}, "AUTH_TOKEN_LIFETIME"),
        ({"AUTH_TOKEN_LIFETIME": "0"}, "AUTH_TOKEN_LIFETIME"),
        ({"AUTH_HASH_THREADS": "0"}, "AUTH_HASH_THREADS"),
        ({"AUTH_KEY_LIFETIME": "60"}, "it must sign longer"),
        ({"AUTH_KEY_SECRET": "short"}, "AUTH_KEY_SECRET"),
        ({"AUTH_ADMIN_EMAIL": "a@b"}, "AUTH_ADMIN_PASSWORD"),
        ({"AUTH_CLIENTS": "robot"}, "AUTH_CLIENTS"),
        ({"AUTH_CLIENTS": '{"robot": {"scopes": []}}'}, "AUTH_CLIENTS"),
        ({"AUTH_CLIENTS": '{"robot": {"secret": "short-secret"}}'}, "robot"),
        ({"AUTH_CLIENTS": '{"a robot": {"secret": "a-secret-of-a-robot"}}'}, "AUTH_CLIENTS"),
        ({"AUTH_CLIENTS": '{"robot": {"secret": "a-secret-of-a-robot", "scopes": ["all"]}}'}, "the scope all"),
        ({"AUTH_CLIENTS": '{"peer:orders": {"secret": "a-secret-of-a-robot"}}'}, "peer:orders is how a service"),
    ],
)
def test_a_mistake_is_one_line_without_secrets(values: dict[str, str], why: str) -> None:
    with pytest.raises(CannotServe) as refused:
        read_settings(AuthSettings, values)
    text = str(refused.value)
    assert why in text
    assert "\n" not in text
    assert "secret-of" not in text
    assert "short-secret" not in text


def test_every_operation_is_implemented() -> None:
    assert service.missing() == ()
