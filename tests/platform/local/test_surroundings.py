"""A process is given what it needs of the user's environment, and no secret of anything else."""

from __future__ import annotations

import pytest

from atoll.platform.local.surroundings import of_a_part, of_a_service

SERVICES = ("orders", "order-desk", "payments", "auth")
USUAL = {
    "PATH": "/bin", "HOME": "/home/ada", "LANG": "C", "LC_ALL": "C", "TMPDIR": "/tmp", "https_proxy": "http://ada:pw@proxy:1",
}  # fmt: skip
PASSED = {
    "PYTHONUNBUFFERED": "1", "VIRTUAL_ENV": "/v", "OTEL_EXPORTER_OTLP_HEADERS": "authorization=x", "CARD_LIMIT": "5", "PWD": "/",
    "ATOLL_RESILIENCE_SERVER__IN_FLIGHT": "5", "ATOLL_LOG_LEVEL": "debug", "MONKEY": "1", "NODE_ENV": "test",
}  # fmt: skip
SECRETS = {
    "AWS_SECRET_ACCESS_KEY": "x", "GITHUB_TOKEN": "x", "PGPASSWORD": "x", "SSH_AUTH_SOCK": "/s", "STRIPE_KEY": "x",
    "OPENAI_API_KEY": "x", "DATABASE_URL": "postgres://ada:pw@host/db", "SENTRY_DSN": "x", "npm_config__authToken": "x",
    "ATOLL_DATABASE_URL": "postgresql://h/d", "ATOLL_PEERS": "{}",
}  # fmt: skip


def test_a_service_gets_what_is_usual_and_what_is_nobodys() -> None:
    assert of_a_service(USUAL | PASSED | SECRETS, "orders", SERVICES) == USUAL | PASSED


@pytest.mark.parametrize(
    ("service", "own"),
    [
        ("orders", "ORDERS_KEY"),
        ("order-desk", "ORDER_DESK_TOKEN"),
        ("auth", "AUTH_KEY_SECRET"),
        ("payments", "PAYMENTS_URL"),
    ],
)
def test_what_bears_a_services_name_is_for_that_service_alone(service: str, own: str) -> None:
    for other in SERVICES:
        assert (own in of_a_service({own: "x"}, other, SERVICES)) == (other == service)


def test_a_part_gets_the_usual_alone() -> None:
    assert of_a_part(USUAL | PASSED | SECRETS) == USUAL
