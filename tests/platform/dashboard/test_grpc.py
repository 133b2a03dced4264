"""OTLP over gRPC is taken as over HTTP, and refused with one clear line."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import grpc
import pytest
from tests.platform.dashboard.telling import otlp, span

from atoll.platform.dashboard import Intake, Store
from atoll.platform.dashboard.asking import LogQuery, TraceQuery
from atoll.platform.dashboard.grpc import GrpcReceiver, _from_here
from atoll.platform.dashboard.metrics import metric_names
from atoll.platform.dashboard.receiver import MOST_BYTES
from atoll.platform.dashboard.records import find_logs
from atoll.platform.dashboard.traces import find_traces
from atoll.telemetry import Metrics
from atoll.telemetry.otlp_logs import encode_logs
from atoll.telemetry.otlp_metrics import encode_metrics
from atoll.telemetry.otlp_spans import encode_resource
from atoll.telemetry.protobuf import any_value, block, fixed64

PACKAGE = "opentelemetry.proto.collector"


class Served:
    def __init__(self, store: Store, intake: Intake, channel: grpc.aio.Channel) -> None:
        self.store, self.intake, self.channel = store, intake, channel

    async def send(self, signal: str, body: bytes, compression: grpc.Compression | None = None) -> bytes:
        method = f"/{PACKAGE}.{signal}.v1.{signal.title()}Service/Export"
        call = self.channel.unary_unary(method)
        reply: bytes = await call(body, timeout=10, compression=compression)
        self.intake.settle()
        return reply


@asynccontextmanager
async def receiving(folder: Path, most: int = 50_000) -> AsyncIterator[Served]:
    store = Store(folder / "telemetry.db")
    intake = Intake(store, most=most)
    intake.start()
    receiver = GrpcReceiver(intake, "127.0.0.1")
    await receiver.start()
    try:
        async with grpc.aio.insecure_channel(receiver.address) as channel:
            yield Served(store, intake, channel)
    finally:
        await receiver.stop()
        intake.stop()
        store.close()


async def refusal(
    served: Served, signal: str, body: bytes, compression: grpc.Compression | None = None
) -> tuple[str, str]:
    with pytest.raises(grpc.aio.AioRpcError) as raised:
        await served.send(signal, body, compression)
    return raised.value.code().name, raised.value.details() or ""


async def test_spans_logs_and_metrics_are_taken(tmp_path: Path) -> None:
    resource = encode_resource({"service.name": "orders"})
    metrics = Metrics()
    metrics.gauge("jobs", "Jobs.").set(3)
    async with receiving(tmp_path) as served:
        assert await served.send("trace", otlp([span(1), span(2, 1)])) == b""
        await served.send("trace", otlp([span(1, trace=2)]), grpc.Compression.Gzip)
        await served.send("logs", encode_logs(resource, [fixed64(1, 5) + block(5, any_value("placed"))]))
        await served.send("metrics", encode_metrics(resource, metrics))
        assert {one["spans"] for one in find_traces(served.store, TraceQuery())} == {1, 2}
        assert [one["message"] for one in find_logs(served.store, LogQuery())] == ["placed"]
        assert [one["name"] for one in metric_names(served.store)] == ["jobs"]


@pytest.mark.parametrize("signal", ["trace", "logs", "metrics"])
async def test_what_is_no_otlp_is_refused_in_a_line(tmp_path: Path, signal: str) -> None:
    async with receiving(tmp_path) as served:
        code, text = await refusal(served, signal, b"\xff\xff\xff")
        assert code == "INVALID_ARGUMENT"
        assert text.startswith("not an OTLP Export")
        assert "\n" not in text
        assert "Traceback" not in text
        assert served.intake.counts().kept == 0


async def test_what_is_too_large_is_refused_packed_or_not(tmp_path: Path) -> None:
    async with receiving(tmp_path) as served:
        large = b"\0" * (MOST_BYTES + 1)
        assert (await refusal(served, "trace", large))[0] == "RESOURCE_EXHAUSTED"
        assert (await refusal(served, "trace", large, grpc.Compression.Gzip))[0] == "RESOURCE_EXHAUSTED"
        assert await served.send("trace", otlp([span(1)])) == b""


async def test_too_much_is_to_be_tried_later(tmp_path: Path) -> None:
    async with receiving(tmp_path, most=10) as served:
        code, text = await refusal(served, "trace", otlp([span(number) for number in range(1, 12)]))
        assert (code, "shed" in text) == ("UNAVAILABLE", True)
        counts = served.intake.counts()
        assert (counts.shed, counts.shedding) == (11, True)


async def test_a_method_that_is_not_there_is_unimplemented(tmp_path: Path) -> None:
    async with receiving(tmp_path) as served:
        assert (await refusal(served, "profiles", b""))[0] == "UNIMPLEMENTED"


async def test_a_port_that_is_taken_is_told(tmp_path: Path) -> None:
    intake = Intake(Store(tmp_path / "telemetry.db"))
    first = GrpcReceiver(intake, "127.0.0.1")
    assert first.address == ""
    await first.start()
    try:
        with pytest.raises(OSError, match="name another port"):
            await GrpcReceiver(intake, "127.0.0.1", int(first.address.rpartition(":")[2])).start()
    finally:
        await first.stop()


@pytest.mark.parametrize(
    ("peer", "here"),
    [
        ("ipv4:127.0.0.1:5000", True), ("ipv6:[::1]:5000", True), ("ipv6:%5B::1%5D:5000", True),
        ("ipv4:10.0.0.7:5000", False), ("ipv6:[2001:db8::1]:5000", False), ("unix:/tmp/x", False), ("", False),
    ],
)  # fmt: skip
def test_who_is_here(peer: str, here: bool) -> None:
    assert _from_here(peer) is here
