"""Shedding: only under pressure, only what is too much, and not a moment longer than the pressure lasts."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.resilience.calls import Clock, request, until

from atoll.contracts import Unavailable
from atoll.resilience import Pressure, Record, Shed, Shedder, ShedPolicy, shed
from atoll.service import Request


class Told(Pressure):
    """A pressure that a test says, with a queue that stands."""

    def __init__(self) -> None:
        super().__init__()
        self.standing = 1.0

    def __call__(self) -> float:
        return self.value


class Server:
    """A shedding server whose requests end when the test says so."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.pressure = Told()
        self.records: list[Record] = []
        self.open: list[asyncio.Event] = []
        self.shedder = Shedder(ShedPolicy(fewest=4, patience=0.01), self.pressure, clock=self.clock)
        self.handler = shed(self.shedder, hook=self.records.append, clock=self.clock)(self._wait)

    async def _wait(self, _: Request) -> None:
        go = asyncio.Event()
        self.open.append(go)
        await go.wait()

    async def fill(self, count: int) -> list[asyncio.Task[None]]:
        async def one() -> None:
            await self.handler(request())

        tasks = [asyncio.create_task(one()) for _ in range(count)]
        before = len(self.open)
        await until(lambda: len(self.open) + sum(task.done() for task in tasks) >= before + count)
        return tasks

    async def serve(self, count: int, seconds: float) -> None:
        """So many requests that take so long, one after the other."""
        for _ in range(count):
            task = (await self.fill(1))[0]
            self.clock.now += seconds
            self.open.pop().set()
            await task
        self.clock.now += 0.1  # what a tenth of a second brought is known after it


async def test_without_pressure_nothing_is_refused() -> None:
    server = Server()
    await server.serve(5, 0.01)
    tasks = await server.fill(500)
    assert server.records == []
    for go in server.open:
        go.set()
    await asyncio.gather(*tasks)


async def test_under_pressure_what_cannot_be_served_in_time_is_refused_with_retry_after() -> None:
    server = Server()
    await server.serve(10, 0.01)  # 100 a second, 10 ms each: one at a time
    server.pressure.value = 1.0
    tasks = await server.fill(20)
    refused = [task for task in tasks if task.done()]
    assert len(refused) == 16  # 4 go in: what is known of a server after a tenth of a second is rough
    error = refused[0].exception()
    assert isinstance(error, Unavailable)
    assert error.headers == {"retry-after": "1"}
    assert all(isinstance(record, Shed) for record in server.records)
    for go in server.open:
        go.set()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert server.shedder.in_flight == 0


def waited(server: Server, seconds: float) -> Request:
    made = request()
    made.received = server.clock.now - seconds
    return made


async def test_what_has_waited_too_long_for_the_event_loop_is_refused() -> None:
    server = Server()
    await server.serve(10, 0.01)
    server.pressure.value = 1.0
    with pytest.raises(Unavailable):
        await server.handler(waited(server, 0.05))  # more than four replies' time
    task = asyncio.ensure_future(server.handler(waited(server, 0.03)))
    await until(lambda: bool(server.open))
    server.open.pop().set()
    await task


async def test_it_cools_off_for_a_second_and_then_takes_everything_again() -> None:
    server = Server()
    await server.serve(10, 0.01)
    server.pressure.value = 1.0
    with pytest.raises(Unavailable):
        await server.handler(waited(server, 1.0))
    server.pressure.value = 0.0
    server.clock.now += 0.9
    with pytest.raises(Unavailable):
        await server.handler(waited(server, 1.0))
    server.clock.now += 0.2
    task = asyncio.ensure_future(server.handler(waited(server, 1.0)))
    await until(lambda: bool(server.open))
    server.open.pop().set()
    await task


async def test_a_failure_frees_its_place_and_teaches_nothing() -> None:
    shedder = Shedder(ShedPolicy(), Told())

    async def fails(_: Request) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await shed(shedder)(fails)(request())
    assert shedder.in_flight == 0
    assert shedder.limit(1.0) == float("inf")


async def test_what_waited_to_be_read_counts_too() -> None:
    server = Server()
    await server.serve(10, 0.01)
    server.pressure.value, server.pressure.late = 1.0, 0.03
    with pytest.raises(Unavailable):
        await server.handler(waited(server, 0.02))


async def test_a_pause_of_a_busy_process_is_no_queue() -> None:
    server = Server()
    await server.serve(10, 0.01)
    server.pressure.value, server.pressure.standing = 1.0, 0.005
    task = asyncio.ensure_future(server.handler(waited(server, 0.1)))
    await until(lambda: bool(server.open))
    server.open.pop().set()
    await task


async def test_what_is_usual_in_flight_goes_in_on_top_of_what_can_be_served() -> None:
    server = Server()
    await server.serve(10, 0.01)
    calm = await server.fill(30)  # handlers that wait for something else, with an idle processor
    server.pressure.value = 1.0
    more = await server.fill(50)
    assert sum(not task.done() for task in more) == 3  # on top of 29 that are usual: what four replies take
    for go in server.open:
        go.set()
    await asyncio.gather(*calm, *more, return_exceptions=True)


@given(st.lists(st.tuples(st.floats(0, 2), st.floats(0.001, 1)), max_size=60))
def test_the_limit_is_what_the_best_rate_of_the_window_serves_in_the_patience(steps: list[tuple[float, float]]) -> None:
    clock = Clock()
    shedder = Shedder(ShedPolicy(), Told(), clock=clock)
    seen: list[tuple[int, float]] = []
    for pause, took in steps:
        clock.now += pause
        shedder.in_flight += 1
        shedder.end(clock.now - took, clock.now)
        seen.append((int(clock.now / 0.1), took))
        assert shedder.in_flight == 0
    clock.now += 0.1
    limit = shedder.limit(clock.now)
    bucket = int(clock.now / 0.1)
    recent = [(at, took) for at, took in seen if bucket - 50 < at]
    if not recent:
        assert limit == float("inf")
    else:
        best = max(sum(1 for other, _ in recent if other == at) for at, _ in recent) / 0.1
        assert limit == pytest.approx(best * max(0.05, 4 * min(took for _, took in recent)))


def ticked(pressure: Pressure, now: Clock, used: Clock, *, seconds: float, share: float) -> None:
    """One measurement after so many seconds, of which the process had this share of a core."""
    pressure()
    now.now += seconds
    used.now += seconds * share
    pressure._tick()


async def test_pressure_is_the_share_of_a_core_over_half_a_second() -> None:
    now, used = Clock(), Clock()
    pressure = Pressure(clock=now, cpu=used)
    assert pressure() == 0.0
    for _ in range(9):
        ticked(pressure, now, used, seconds=0.05, share=1.0)
    assert pressure.value == 0.0  # so long it may be a burst
    ticked(pressure, now, used, seconds=0.06, share=1.0)
    assert pressure.value == pytest.approx(1.0)
    for _ in range(5):
        ticked(pressure, now, used, seconds=0.05, share=0.0)
    assert pressure.value == pytest.approx(0.5, abs=0.1)


async def test_an_idle_time_was_idle_though_nothing_was_measured() -> None:
    now, used = Clock(), Clock()
    pressure = Pressure(clock=now, cpu=used)
    ticked(pressure, now, used, seconds=0.05, share=1.0)
    now.now += 60.0
    ticked(pressure, now, used, seconds=0.05, share=1.0)
    assert pressure.value < 0.1


async def test_where_others_have_the_core_the_loops_lateness_is_pressure() -> None:
    now, used = Clock(), Clock()
    pressure = Pressure(clock=now, cpu=used)
    ticked(pressure, now, used, seconds=1.05, share=0.2)
    assert pressure.value == pytest.approx(1.0 / 1.05)
    assert pressure.late == pytest.approx(1.0)
    ticked(pressure, now, used, seconds=0.05, share=0.2)
    assert pressure.late == pytest.approx(0.7)  # relief is believed slowly
