"""Each service publishes its OpenAPI document and keeps it: no request that follows or breaks it makes a server error."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from tests.system.calls import call
from tests.system.local_system import LocalSystem, clean_environment
from tests.system.shopper import Shopper

EXAMPLES = 20  # requests by random data, for each operation
SEED = 20261122
CHECKS = (
    "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance,"
    "response_headers_conformance,negative_data_rejection,unsupported_method,missing_required_header"
)


@pytest.mark.parametrize("service", ["auth", "orders", "payments"])
def test_schemathesis_finds_no_server_error_and_no_reply_outside_of_the_document(
    shop: LocalSystem, ada: Shopper, service: str, tmp_path: Path
) -> None:
    base = shop.url(service)
    call(base, "GET", "/openapi.json").must(200)
    headers = {"auth": ada.identity, "orders": ada.identity, "payments": shop.peer_header("orders", "payments")}[
        service
    ]
    arguments = [word for name, value in headers.items() for word in ("-H", f"{name}: {value}")]
    done = subprocess.run(
        [
            str(Path(sys.executable).parent / "schemathesis"), "run", f"{base}/openapi.json", *arguments,
            "--checks", CHECKS, "--max-examples", str(EXAMPLES), "--seed", str(SEED),
            "--phases", "examples,coverage,fuzzing", "--no-color",
        ],
        cwd=tmp_path, env=clean_environment(), capture_output=True, text=True, timeout=250, check=False,
    )  # fmt: skip
    print(done.stdout)
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
