from __future__ import annotations

import ssl
import stat
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from tests.platform.gateway.harness import Backend, Gateway, client_builder
from tests.platform.gateway.systems import shop

from atoll.platform.gateway import GatewayModelError, compile_snapshot, cryptography, development_certificate


async def test_https_and_http2_with_the_development_certificate(
    gateway: Gateway, orders: Backend, tmp_path: Path
) -> None:
    certificate = development_certificate(tmp_path / "tls")
    options = replace(gateway.files.options, certificate=certificate)
    await gateway.open(shop(tls=True), options, orders=orders)
    trusting = client_builder().add_root_certificate_pem(certificate.certificate.read_bytes())
    async with trusting.http2(True).build() as client:
        answer = await gateway.ask("GET", "/price", client=client, scheme="https")
        assert (answer.status, answer.version) == (200, "HTTP/2.0")
        assert orders.last["x-forwarded-proto"] == "https"
    await gateway.open(shop(), orders=orders)
    assert (await gateway.ask("GET", "/price")).status == 200


def test_a_certificate_is_kept_until_it_is_about_to_expire(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first = development_certificate(tmp_path)
    content = first.certificate.read_bytes()
    assert development_certificate(tmp_path).certificate.read_bytes() == content
    assert stat.S_IMODE(first.key.stat().st_mode) == 0o600
    ssl.create_default_context(cafile=str(first.certificate))
    assert development_certificate(tmp_path, ("another.test",)).certificate.read_bytes() != content
    monkeypatch.setattr(cryptography, "LIFETIME", timedelta(days=6))
    development_certificate(tmp_path, ("short.test",))
    monkeypatch.undo()
    renewed = x509.load_pem_x509_certificate(
        development_certificate(tmp_path, ("short.test",)).certificate.read_bytes()
    )
    assert renewed.not_valid_after_utc - datetime.now(UTC) > timedelta(days=80)


def test_a_damaged_certificate_is_made_anew(tmp_path: Path) -> None:
    made = development_certificate(tmp_path)
    made.key.write_text("nonsense")
    assert b"PRIVATE KEY" in development_certificate(tmp_path).key.read_bytes()


def test_tls_without_a_certificate_is_one_line(gateway: Gateway) -> None:
    with pytest.raises(GatewayModelError, match=r"systems.py:\d+: .*certificate"):
        compile_snapshot(shop(tls=True), {}, gateway.files.options)
