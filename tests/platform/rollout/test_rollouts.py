"""Whole rollouts on a fleet in memory, in no time."""

from __future__ import annotations

import asyncio

import pytest
from tests.platform.rollout.simulated import HOUR, SLOW, TWICE, USUAL, Desk, StandingClock, ended

from atoll.platform.rollout import Rollout, Rollouts, Wanted
from atoll.system import BlueGreen, Canary, Rolling, Trouble, Window


@pytest.fixture
def desk() -> Desk:
    return Desk()


async def rolled_out(desk: Desk, release: str = "new", wanted: Wanted | None = None) -> Rollout:
    rollouts = desk.open()
    await rollouts.begin("orders", release, wanted)
    found = await ended(rollouts)
    await rollouts.stop()
    return found


def shares(desk: Desk) -> list[str]:
    return [what for name, what in desk.world.fleet.acts if name == "weigh"]


async def test_a_good_release_is_promoted_step_by_step(desk: Desk) -> None:
    found = await rolled_out(desk)
    assert (found.phase, found.reason) == ("promoted", "new has all of the traffic")
    assert shares(desk) == [
        "{'old': 100}", "{'new': 5, 'old': 95}", "{'new': 25, 'old': 75}", "{'new': 50, 'old': 50}", "{'new': 100}",
    ]  # fmt: skip
    assert desk.world.fleet.settled["orders"] == "new"
    assert desk.world.fleet.running("orders") == {"new": 1}
    assert found.took == pytest.approx(40, abs=1)


@pytest.mark.parametrize(
    ("behaviour", "why"),
    [
        ({"errors": 0.05}, "errors: "),
        ({"errors": 1.0, "inside": 100_000.0}, "errors: 100 % of 20 requests failed"),
        ({"errors": 0.1, "inside": 100_000.0}, "errors: 10 % of "),
        ({"within": TWICE}, "p99: "),
        ({"within": SLOW}, "p99: "),
        ({"crashes_after": 3.0}, "restarts: 1 restart"),
        ({"ready": False}, "ready: 0 of 1 instances are ready"),
        ({"rps": 0.0}, "samples: no data: 0 requests in 30 s, 20 are needed"),
        ({"reached": False}, "samples: no data: its instances did not tell their figures"),
        ({"rps": 1e307}, "samples: no data: its instances did not tell their figures"),
        ({"handled": 5.0, "failed": 5.0}, "events: 50 % of 100 attempts to handle an event failed"),
    ],
)
async def test_a_bad_release_goes_back_by_itself_within_three_intervals(
    desk: Desk, behaviour: dict[str, object], why: str
) -> None:
    desk.behaves("new", **behaviour)
    found = await rolled_out(desk)
    assert found.phase == "rolled back"
    assert why in found.reason
    assert found.took <= 31
    assert "{'new': 25, 'old': 75}" not in shares(desk)
    assert desk.world.fleet.shares["orders"] == {"old": 100}
    assert desk.world.fleet.running("orders") == {"old": 1}
    assert desk.journal.latest("orders") == found


async def test_calls_from_inside_count_as_requests(desk: Desk) -> None:
    desk.behaves("new", rps=0.0, inside=200.0).behaves("old", rps=0.0, inside=200.0)
    found = await rolled_out(desk)
    assert found.phase == "promoted"


async def test_a_look_takes_a_part_of_the_interval_at_the_most(desk: Desk) -> None:
    await rolled_out(desk, wanted=Wanted(interval=3.0))
    assert set(desk.world.fleet.looked_within) == {0.6}


async def test_an_engine_that_cannot_measure_is_no_data(desk: Desk) -> None:
    def away(act: str) -> None:
        if act == "measure":
            raise Trouble("the metrics are away")

    desk.world.fleet.before = away
    found = await rolled_out(desk)
    assert (found.phase, found.reason) == ("rolled back", "figures: no data: the metrics are away")
    assert found.took <= 31


async def test_a_moment_in_which_everything_is_slow_is_no_slow_release(desk: Desk) -> None:
    desk.behaves("new", within=SLOW)
    desk.world.clock.at(9.0, lambda: desk.behaves("new", within=USUAL))  # within the first interval of ten seconds
    found = await rolled_out(desk)
    assert [entry.decision for entry in found.entries if "p99" in entry.text][:1] == ["watch on"]
    assert found.phase == "promoted"


async def test_what_is_wrong_at_the_smoke_check_never_has_traffic(desk: Desk) -> None:
    desk.world.fleet.wrong["new"] = ("orders-2: /openapi.json answers 500",)
    found = await rolled_out(desk)
    assert (found.phase, found.reason) == ("rolled back", "smoke check: orders-2: /openapi.json answers 500")
    assert set(shares(desk)) == {"{'old': 100}"}


async def test_a_release_that_turns_bad_late_goes_back_from_all_of_the_traffic(desk: Desk) -> None:
    desk.world.clock.at(32.0, lambda: desk.behaves("new", within=(0.0, 0.01, 0.05, 0.1, 0.3, 0.5, 0.9, 1, 1, 1, 1, 1)))
    found = await rolled_out(desk)
    assert found.phase == "rolled back"
    assert "p99" in found.reason
    assert shares(desk)[-2:] == ["{'new': 100}", "{'old': 100}"]


async def test_errors_that_both_have_are_said_to_be_elsewhere(desk: Desk) -> None:
    desk.behaves("new", errors=0.05).behaves("old", errors=0.05)
    found = await rolled_out(desk)
    assert "the stable release has 5 % too: the cause may be elsewhere" in found.reason


async def test_few_errors_are_bad_if_the_stable_release_has_none(desk: Desk) -> None:
    desk.behaves("new", errors=0.008, rps=3000)
    found = await rolled_out(desk)
    assert found.reason == "errors beside stable: 0.8 % failed, 0 % of the stable release's"


async def test_blue_green_switches_once_and_keeps_the_old_release_warm(desk: Desk) -> None:
    desk.declared(BlueGreen(interval=10.0, warm=60.0))
    found = await rolled_out(desk)
    assert found.phase == "promoted"
    assert shares(desk) == ["{'old': 100}", "{'new': 100}"]
    assert found.took == pytest.approx(80, abs=1)


async def test_the_switch_back_to_a_warm_release_needs_no_start(desk: Desk) -> None:
    desk.declared(BlueGreen(interval=10.0, warm=60.0))
    rollouts = desk.open()
    desk.world.clock.at(30.0, lambda: asyncio.ensure_future(rollouts.rollback("orders")))
    await rollouts.begin("orders", "new")
    found = await ended(rollouts)
    assert found.phase == "rolled back"
    assert desk.world.fleet.settled["orders"] == "old"
    assert [name for name, _ in desk.world.fleet.acts].count("launch") == 1


async def test_blue_green_compares_with_what_was_before_the_switch(desk: Desk) -> None:
    desk.declared(BlueGreen(interval=10.0)).behaves("new", within=TWICE)
    found = await rolled_out(desk)
    assert (found.phase, "p99" in found.reason) == ("rolled back", True)


async def test_a_quiet_interval_before_the_switch_is_not_what_is_usual(desk: Desk) -> None:
    quiet = (0.1, 0.5, *[1.0] * 10)
    desk.declared(BlueGreen(interval=10.0))
    desk.world.fleet.readings("orders", "old")
    desk.world.clock.time += 1000.0  # as usual, its tail too
    desk.world.fleet.readings("orders", "old")
    desk.behaves("old", within=quiet)
    assert (await rolled_out(desk)).phase == "promoted"


async def test_who_lives_by_events_is_judged_by_them(desk: Desk) -> None:
    desk.behaves("new", rps=0.0, handled=9.0).behaves("old", rps=0.0, handled=9.0)
    assert (await rolled_out(desk)).phase == "promoted"
    desk.behaves("newer", rps=0.0, handled=6.0, failed=3.0)
    assert (await rolled_out(desk, "newer")).reason.startswith("events: 33 %")


async def test_rolling_needs_no_traffic(desk: Desk) -> None:
    desk.world.fleet.add("orders", "old", 3)
    desk.declared(Rolling()).behaves("new", rps=0.0)
    found = await rolled_out(desk)
    assert found.phase == "promoted"
    assert shares(desk)[1:] == ["{'new': 34, 'old': 66}", "{'new': 67, 'old': 33}", "{'new': 100}"]
    assert desk.world.fleet.running("orders") == {"new": 3}


async def test_a_shadow_is_judged_before_there_is_any_traffic(desk: Desk) -> None:
    desk.behaves("new", errors=0.1)
    found = await rolled_out(desk, wanted=Wanted(shadow=10))
    assert found.phase == "rolled back"
    assert set(shares(desk)) == {"{'old': 100}"}
    assert desk.world.fleet.shadows["orders"] == {"new": 0}


async def test_promote_asks_nothing_more(desk: Desk) -> None:
    rollouts = desk.open()
    desk.world.clock.at(4.0, lambda: rollouts.promote("orders"))
    await rollouts.begin("orders", "new")
    found = await ended(rollouts)
    assert found.phase == "promoted"
    assert shares(desk)[1:] == ["{'new': 5, 'old': 95}", "{'new': 100}"]


async def test_a_paused_rollout_stays_where_it_is_until_it_is_resumed(desk: Desk) -> None:
    rollouts = desk.open()
    desk.world.clock.at(4.0, lambda: rollouts.pause("orders"))
    desk.world.clock.at(500.0, lambda: rollouts.resume_paused("orders"))
    await rollouts.begin("orders", "new")
    found = await ended(rollouts)
    assert found.phase == "promoted"
    assert found.took == pytest.approx(540, abs=15)


async def test_a_paused_rollout_is_still_watched(desk: Desk) -> None:
    rollouts = desk.open()
    desk.world.clock.at(4.0, lambda: rollouts.pause("orders"))
    desk.world.clock.at(100.0, lambda: desk.behaves("new", errors=0.2))
    await rollouts.begin("orders", "new")
    found = await ended(rollouts)
    assert (found.phase, found.reason[:7]) == ("rolled back", "errors:")


async def test_abort_goes_back(desk: Desk) -> None:
    rollouts = desk.open()
    desk.world.clock.at(14.0, lambda: rollouts.abort("orders"))
    await rollouts.begin("orders", "new")
    found = await ended(rollouts)
    assert (found.phase, found.reason) == ("rolled back", "aborted")


async def test_rollback_after_the_end_returns_to_the_release_before(desk: Desk) -> None:
    rollouts = desk.open()
    await rollouts.begin("orders", "new")
    await ended(rollouts)
    await rollouts.rollback("orders")
    found = await ended(rollouts)
    assert (found.number, found.release, found.phase) == (2, "old", "promoted")
    assert desk.world.fleet.settled["orders"] == "old"
    assert [one.number for one in rollouts.history("orders")] == [2, 1]


async def test_rollback_in_the_moment_in_which_the_old_instances_drain_waits_for_it(desk: Desk) -> None:
    rollouts = desk.open()
    asked: list[asyncio.Task[Rollout]] = []

    def before(act: str) -> None:
        if act == "retire" and not asked:
            assert rollouts.latest()["orders"].phase == "retiring"
            asked.append(asyncio.ensure_future(rollouts.rollback("orders")))

    desk.world.fleet.before = before
    await rollouts.begin("orders", "new")
    await ended(rollouts)
    assert (await asked[0]).number == 2
    found = await ended(rollouts)
    assert (found.number, found.release, found.phase) == (2, "old", "promoted")


async def test_what_people_ask_for_is_an_entry(desk: Desk) -> None:
    rollouts = desk.open()
    desk.world.clock.at(4.0, lambda: rollouts.pause("orders"))
    desk.world.clock.at(50.0, lambda: rollouts.resume_paused("orders"))
    desk.world.clock.at(52.0, lambda: rollouts.promote("orders"))
    await rollouts.begin("orders", "new")
    found = await ended(rollouts)
    by_hand = [(entry.at, entry.text) for entry in found.entries if entry.decision == "by hand"]
    assert by_hand == [(4.0, "pause"), (50.0, "resume"), (52.0, "promote")]


async def test_rollback_of_what_has_no_past_is_refused(desk: Desk) -> None:
    with pytest.raises(Trouble, match="has run nothing but old"):
        await desk.open().rollback("orders")


async def test_the_second_deploy_of_a_service_is_refused_and_another_service_is_not(desk: Desk) -> None:
    rollouts = desk.open()
    results = await asyncio.gather(
        rollouts.begin("orders", "new"), rollouts.begin("orders", "newer"), rollouts.begin("payments", "new"),
        return_exceptions=True,
    )  # fmt: skip
    assert [isinstance(one, Rollout) for one in results] == [True, False, True]
    assert str(results[1]) == "orders: another rollout begins at this moment; look with 'atoll rollouts orders'"
    with pytest.raises(Trouble, match="orders rolls out new already; wait for it, or end it with 'atoll abort orders'"):
        await rollouts.begin("orders", "newer")
    assert (await ended(rollouts)).phase == "promoted"
    assert (await ended(rollouts, "payments")).phase == "promoted"


async def test_a_release_that_is_kept_warm_makes_way_for_the_next(desk: Desk) -> None:
    rollouts = await warm(desk)
    begun = await rollouts.begin("orders", "newer")
    assert begun.stable == "new"
    assert "old" not in desk.world.fleet.running("orders")
    await rollouts.stop()


async def warm(desk: Desk) -> Rollouts:
    """The new release is stable, and the old one is kept warm until somebody ends that: time stands still."""
    desk.world.clock = StandingClock()
    desk.declared(BlueGreen(interval=1.0, warm=2 * HOUR))
    rollouts = desk.open()
    await rollouts.begin("orders", "new")
    while rollouts.latest()["orders"].phase != "warm":
        await asyncio.sleep(0)
    return rollouts


@pytest.mark.parametrize(
    ("release", "line"),
    [
        ("new", "orders runs new already; there is nothing to roll out"),
        ("nothing", "orders has no release 'nothing'"),
        ("refused", "orders: refused is refused: it breaks payments"),
    ],
)
async def test_a_deploy_that_is_refused_leaves_the_old_release_warm(desk: Desk, release: str, line: str) -> None:
    desk.gate.refused["refused"] = ("it breaks payments",)
    rollouts = await warm(desk)
    with pytest.raises(Trouble, match=line):
        await rollouts.begin("orders", release)
    found = rollouts.latest()["orders"]
    assert (found.phase, found.wish) == ("warm", "")
    assert desk.world.fleet.running("orders") == {"old": 1, "new": 1}
    await rollouts.rollback("orders")
    assert (await ended(rollouts)).phase == "rolled back"


async def test_a_deploy_does_not_begin_if_somebody_goes_back_to_the_warm_release_meanwhile(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def slow(*_: str) -> tuple[str, ...]:
        await rollouts.rollback("orders")
        return ()

    rollouts = await warm(desk)
    monkeypatch.setattr(desk.gate, "refusals", slow)
    with pytest.raises(Trouble, match="orders goes back to old already; wait for it"):
        await rollouts.begin("orders", "newer")
    assert (await ended(rollouts)).phase == "rolled back"
    assert desk.world.fleet.settled["orders"] == "old"


@pytest.mark.parametrize("verb", ["promote", "pause", "resume_paused", "abort"])
async def test_what_was_aborted_is_not_taken_back(desk: Desk, verb: str) -> None:
    rollouts = desk.open()
    said: list[str] = []

    def abort_and_regret() -> None:
        rollouts.abort("orders")
        with pytest.raises(Trouble, match="orders is going back to old") as caught:
            getattr(rollouts, verb)("orders")
        said.append(str(caught.value))

    desk.world.clock.at(14.0, abort_and_regret)
    await rollouts.begin("orders", "new")
    found = await ended(rollouts)
    assert (found.phase, found.reason, len(said)) == ("rolled back", "aborted", 1)


async def test_who_scales_during_a_rollout_gets_it_at_the_next_step(desk: Desk) -> None:
    rollouts = desk.open()
    running: list[int] = []
    desk.world.clock.at(4.0, lambda: desk.world.fleet.scale("orders", 4))
    for moment in (15.0, 25.0, 35.0):
        desk.world.clock.at(moment, lambda: running.append(desk.world.fleet.running("orders")["new"]))
    await rollouts.begin("orders", "new")
    assert (await ended(rollouts)).phase == "promoted"
    assert running == [1, 2, 4]
    assert desk.world.fleet.running("orders") == {"new": 4}


async def test_who_scales_at_the_last_step_gets_it_when_it_is_settled(desk: Desk) -> None:
    rollouts = desk.open()
    desk.world.clock.at(35.0, lambda: desk.world.fleet.scale("orders", 3))
    await rollouts.begin("orders", "new")
    assert (await ended(rollouts)).phase == "promoted"
    assert desk.world.fleet.running("orders") == {"new": 3}


async def test_who_waits_for_the_latest_does_not_read_the_history(desk: Desk) -> None:
    rollouts = desk.open()
    await rollouts.begin("orders", "new")
    before = desk.journal.reads
    revision = 0
    while not (found := await rollouts.after("orders", revision, 10.0)).over:
        revision = found.revision
    assert rollouts.find("orders") is rollouts.find("orders", "1") is found
    assert desk.journal.reads == before
    assert len(rollouts.history("orders")) == 1


@pytest.mark.parametrize(
    ("service", "release", "wanted", "line"),
    [
        ("order", "new", Wanted(), "there is no service 'order'; known are orders, payments"),
        ("orders", "nothing", Wanted(), "orders has no release 'nothing'"),
        ("orders", "old", Wanted(), "orders runs old already; there is nothing to roll out"),
        ("orders", "new", Wanted(steps=(5, 4, 100)), "steps are 5,4,100; each must be more than the one before"),
        ("orders", "new", Wanted(strategy="purple"), "there is no strategy 'purple'; take canary, blue-green, rolling"),
        (
            "orders",
            "new",
            Wanted(strategy="rolling", steps=(100,)),
            "steps is nothing that rolling has; take it out, or",
        ),
    ],
)
async def test_bad_input_is_one_line(desk: Desk, service: str, release: str, wanted: Wanted, line: str) -> None:
    with pytest.raises(Trouble) as caught:
        await desk.open().begin(service, release, wanted)
    assert str(caught.value).startswith(line)
    assert desk.world.fleet.acts == []


async def test_what_the_gate_refuses_does_not_begin(desk: Desk) -> None:
    desk.gate.refused["new"] = ("order.created loses total, which payments reads", "and more")
    with pytest.raises(Trouble) as caught:
        await desk.open().begin("orders", "new")
    assert str(caught.value) == "orders: new is refused: order.created loses total, which payments reads"
    assert caught.value.details == ("and more",)


async def test_own_checks_are_given_the_window_and_can_end_it(desk: Desk) -> None:
    seen: list[Window] = []

    def no_more_than_a_quarter(window: Window) -> str | None:
        seen.append(window)
        return "too many carts" if window.share > 25 else None

    async def awaited(window: Window) -> None:
        await asyncio.sleep(0)

    def broken(window: Window) -> None:
        raise ValueError("no such table")

    found = await rolled_out(desk.declared(Canary(interval=10.0, checks=(no_more_than_a_quarter, awaited))))
    assert (found.phase, found.reason) == ("rolled back", "no_more_than_a_quarter: too many carts")
    assert [window.share for window in seen] == [5, 25, 50]
    found = await rolled_out(desk.declared(Canary(interval=10.0, checks=(broken,))))
    assert found.reason == "broken: ValueError: no such table"


async def test_a_full_disk_refuses_the_rollout_or_goes_back(desk: Desk) -> None:
    def full(write: int) -> None:
        raise Trouble("no space left on the disk, so nothing is rolled out")

    desk.journal.before = full
    with pytest.raises(Trouble, match="no space left"):
        await desk.open().begin("orders", "new")
    assert desk.world.fleet.acts == []
    desk.journal.before = lambda write: full(write) if write > 5 else None
    found = await rolled_out(desk)
    assert found.phase == "rolled back"
    assert desk.world.fleet.shares["orders"] == {"old": 100}


async def test_what_happened_is_kept_with_its_reasons(desk: Desk) -> None:
    found = await rolled_out(desk)
    steps = [(one.share, one.decision) for one in found.entries if one.findings]
    assert steps == [(5, "go on"), (25, "go on"), (50, "go on"), (100, "go on")]
    checks = {one.check for entry in found.entries for one in entry.findings}
    assert {"restarts", "ready", "samples", "errors", "errors beside stable", "p99"} <= checks
    assert len(found.points) == 20
    assert desk.journal.latest("orders") == found
