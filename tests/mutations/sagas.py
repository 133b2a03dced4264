# ruff: noqa: E501 - the texts are the source's own lines
"""How the defences of sagas are taken out."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

STEPS = "tests/sagas/test_steps.py::test_"
CALLS = "tests/sagas/test_calls.py::test_"
RACES = "tests/sagas/test_races.py::test_"
REPAIR = "tests/sagas/test_repair.py::test_"

SAGAS = (
    Mutant(
        "no journal", "a step runs never again after it has completed",
        "sagas/journal.py", "        await work.execute(_DONE, self.id, *place.row, result, version)\n", "",
        (f"{STEPS}steps_run_once_each_in_order",),
    ),
    Mutant(
        "the effect commits apart from its journal", "a step runs never again after it has completed",
        "sagas/attempts.py", "                result = await action.run(work)\n",
        '                result = await action.run(work)\n                await work.execute("COMMIT; BEGIN")\n',
        ("tests/sagas/test_crashes.py",), short=False,
    ),
    Mutant(
        "no unique saga key", "One saga a business key",
        "sagas/starting.py", "await work.execute(_START, saga_id, definition.name, key, partition,",
        "await work.execute(_START, saga_id, definition.name, key + str(saga_id), partition,",
        (f"{RACES}one_saga_a_business_key_however_many_start_it",),
    ),
    Mutant(
        "no derived idempotency key", "idempotency keys derive from saga id + step",
        "sagas/actions.py", '"idempotency-key": f"{saga_id}/{step}"', '"idempotency-key": __import__("uuid").uuid4().hex',
        (f"{CALLS}a_lost_reply_is_asked_for_again_under_the_same_key",),
    ),
    Mutant(
        "compensation order reversed", "Compensations run in reverse",
        "sagas/unwinding.py", "key=lambda one: one.position, reverse=True)", "key=lambda one: one.position)",
        (f"{STEPS}a_refusal_compensates_what_was_done_the_last_first",),
    ),
    Mutant(
        "compensations forget", "each effective once",
        "sagas/unwinding.py", 'if entry is not None and entry.state in {"done", "skipped"}:', "if entry is None and place is None:",
        ("tests/sagas/test_crashes.py",), short=False,
    ),
    Mutant(
        "compensations are tried once", "never expire, retry until they succeed or are parked",
        "sagas/attempts.py", "        if due > since + timedelta(seconds=patience):", "        if place.kind == \"undo\" or due > since + timedelta(seconds=patience):",
        (f"{CALLS}a_compensation_that_fails_five_times_is_effective_once",),
    ),
    Mutant(
        "attempts without end", "Attempts are bounded by total time",
        "sagas/attempts.py", "        if due > since + timedelta(seconds=patience):", "        if due < since:",
        (f"{CALLS}giving_up_can_be_caught",), short=False,
    ),
    Mutant(
        "no optimistic version", "optimistic versions",
        "sagas/journal.py", "WHERE id = $1 AND version = $2\"", "WHERE id = $1 AND version >= $2\"",
        ("tests/sagas/test_defences.py::test_with_the_defence_it_holds_and_without_it_does_not[no_version-a_twin_of_an_instance_writes_nothing]",),
    ),
    Mutant(
        "a timer does not look", "a timer checks state when it fires",
        "sagas/journal.py", '_UNDISTURBED = " AND arrivals = $3"', '_UNDISTURBED = " AND arrivals <= $3 + 1000000"',
        ("tests/faults/test_saga_promises.py::test_a_timer_that_fires_gives_way_to_an_event_that_has_come",),
    ),
    Mutant(
        "late replies vanish", "a late reply after compensation is recorded and changes nothing",
        "sagas/journal.py", "        await work.execute(_LATE, saga_id, what, data)", "        await work.execute(\"SELECT 1\")",
        (f"{CALLS}a_late_reply_after_compensation_is_recorded_and_changes_nothing",),
    ),
    Mutant(
        "no recovery at start", "Recovery starts at process start",
        "sagas/runner.py", "        self._mine.add(partition)\n        self._fresh.add(partition)\n", "        pass\n",
        (f"{STEPS}steps_run_once_each_in_order",),
    ),
    Mutant(
        "an event is taken twice", "effective once",
        "sagas/journal.py", "        await work.execute(_TAKE, self.id, event.seq)\n", "",
        ("tests/sagas/test_defences.py::test_with_the_defence_it_holds_and_without_it_does_not[no_taking-an_event_is_taken_once]",),
        short=False,
    ),
    Mutant(
        "calls in doubt are not undone", "what a call may have done is compensated",
        "sagas/run.py", "            if entry.unknown:\n", "            if entry.unknown and place is None:\n",
        (f"{CALLS}a_call_in_doubt_is_undone_too",), short=False,
    ),
    Mutant(
        "a retry that does not go on", "a person retries what failed",
        "sagas/sagas.py", '            await work.execute(_AFRESH, saga_id)\n            await work.execute(_GO_ON, saga_id, row["backward"], None)\n',
        "            await work.execute(_AFRESH, saga_id)\n", (f"{REPAIR}a_defect_is_parked_and_retried",), short=False,
    ),
    Mutant(
        "a skipped step is tried again", "a person skips a step, with the result that it would have given",
        "sagas/sagas.py", "            await work.execute(_SKIP, saga_id, name, result)\n", "",
        (f"{REPAIR}a_step_is_skipped_with_the_result_that_a_person_gives",), short=False,
    ),
    Mutant(
        "compensated forwards", "a person has taken back what was done",
        "sagas/sagas.py", "_GO_ON, saga_id, True, clean(why)", "_GO_ON, saga_id, False, clean(why)",
        (f"{REPAIR}what_was_done_is_compensated_by_a_person",), short=False,
    ),
    Mutant(
        "repair of what is over", "what has ended is not repaired",
        "sagas/sagas.py", 'if row["status"] in ("completed", "compensated"):', 'if row["status"] == "over":',
        (f"{REPAIR}what_was_done_is_compensated_by_a_person",), short=False,
    ),
)  # fmt: skip
