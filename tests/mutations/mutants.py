# ruff: noqa: E501 - the texts are the source's own lines
"""The defences, and how each is taken out: an exact text of the source, what stands there instead, the tests that must fail then.

`path` is below src/atoll. The text must be there exactly once. `promise` is the sentence of the documentation that the defence
holds. `short` mutants run by default, the others with ATOLL_MUTATIONS=all.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Mutant:
    name: str
    promise: str
    path: str
    text: str
    instead: str
    tests: tuple[str, ...]
    short: bool = True


RELAY = "tests/messaging/test_relay.py::test_"
CONSUMER = "tests/messaging/test_consumer.py::test_"
HERE = "tests/faults/test_promises.py::test_"
WORK = "tests/data/test_work.py::test_"
STORE = "tests/data/test_event_store.py::test_"
AGGREGATE = "tests/data/test_aggregate.py::test_"
PROJECTION = "tests/data/test_projection.py::test_"
STEPS = "tests/sagas/test_steps.py::test_"
CALLS = "tests/sagas/test_calls.py::test_"
RACES = "tests/sagas/test_races.py::test_"
REPAIR = "tests/sagas/test_repair.py::test_"
LISTS = "tests/messaging/test_batches.py::test_"
BROKERS = "tests/conformance/test_broker.py::test_"

OUTBOX = (
    Mutant(
        "events outside of the transaction", "The event row commits with the state",
        "data/work.py", "        self._events.append(outgoing(event, headers, self._database.publishes))",
        "        row = outgoing(event, headers, self._database.publishes)\n"
        "        from atoll.data.outbox import _INSERT_ONE\n"
        "        async with self._database.connection() as connection:\n"
        "            await connection.execute(_INSERT_ONE, *row)",
        (f"{RELAY}what_is_rolled_back_is_not_published",),
    ),
    Mutant(
        "commit whatever happened", "The event row commits with the state",
        "data/work.py", "            if error is None:\n                await self._commit()", "            await self._commit()",
        (f"{WORK}an_exception_rolls_back_state_and_events",), short=False,
    ),
    Mutant(
        "publish before commit", "publishes in commit-safe order",
        "data/outbox.py", "fence < (SELECT pg_snapshot_xmin(pg_current_snapshot())) AS settled", "true AS settled",
        (f"{RELAY}a_transaction_that_commits_late_is_not_skipped",),
    ),
    Mutant(
        "cursor by number alone", "a sequence number alone loses rows that commit late",
        "data/outbox.py", "(fence, position) > ($1::xid8, $2::bigint) ORDER BY fence, position LIMIT $3",
        "position > $2::bigint AND $1::xid8 IS NOT NULL ORDER BY position LIMIT $3",
        (f"{HERE}a_cursor_by_number_alone_would_skip",),
    ),
    Mutant(
        "fence of the writer's own id alone", "order per key holds whatever happens",
        "data/outbox.py",
        'FENCE = "greatest(pg_current_xact_id(), (pg_snapshot_xmax(pg_current_snapshot())::text::bigint - 1)::text::xid8)"',
        'FENCE = "pg_current_xact_id()"',
        (f"{RELAY}who_waited_for_a_row_is_published_behind_who_held_it",),
    ),
    Mutant(
        "fence of the newest id that may still run", "the cursor loses nothing",
        "data/outbox.py", "::text::bigint - 1)::text::xid8)", "::text::bigint)::text::xid8)",
        ("tests/data/test_quiet_outbox.py",), short=False,
    ),
    Mutant(
        "no lease", "one relay at a time per service",
        "messaging/relay.py", "Leases(self._database).exclusive(self._lease)",
        'Leases(self._database).exclusive(f"{self._lease}{id(self)}")',
        (f"{RELAY}one_relay_at_a_time_and_the_next_takes_over_at_once",),
    ),
    Mutant(
        "a lease that outlives its connection", "taken over at once when its holder dies",
        "data/leases.py", '"SELECT pg_advisory_lock($1)"', '"SELECT pg_try_advisory_lock($1)"',
        ("tests/data/test_leases.py::test_one_holder_at_a_time_and_the_next_at_once",), short=False,
    ),
    Mutant(
        "no wake-up", "The relay wakes on commit, not on a timer",
        "data/work.py", "            self._database.outbox_grew()\n", "            pass\n",
        (f"{RELAY}wakes_on_commit",), short=False,
    ),
    Mutant(
        "no wake-up from another instance", "The relay wakes on commit, not on a timer",
        "messaging/relay.py", 'await connection.execute(f"NOTIFY {CHANNEL}")', 'await connection.execute("SELECT 1")',
        (f"{RELAY}a_commit_of_another_instance_wakes_it",), short=False,
    ),
    Mutant(
        "mark before publish", "acknowledged by the broker before a row is marked",
        "messaging/relay.py", "        batch = asyncio.create_task(self._publish_all(rows), name=",
        '        await move_cursor(connection, Cursor(rows[-1]["fence"], rows[-1]["position"]))\n'
        "        batch = asyncio.create_task(self._publish_all(rows), name=",
        (f"{HERE}a_relay_that_ends_before_the_broker_answered_has_marked_nothing",),
    ),
    Mutant(
        "mark what the broker refused", "acknowledged by the broker before a row is marked",
        "messaging/relay.py", "one_line(error))\n                await backoff.wait()\n\n", "one_line(error))\n                return\n\n",
        (f"{RELAY}a_broker_that_is_away_loses_nothing",),
    ),
    Mutant(
        "no mark", "Publishes are acknowledged by the broker before a row is marked; marks go in batches",
        "messaging/relay.py", "        await move_cursor(connection, cursor)\n", "",
        (f"{RELAY}a_broker_that_is_away_loses_nothing",), short=False,
    ),
    Mutant(
        "one key's events at once", "order per key holds whatever happens",
        "messaging/relay.py", 'chains[row["key"]].append(row)', 'chains[str(row["position"])].append(row)',
        (f"{RELAY}one_failing_publish_holds_back_its_key_alone",),
    ),
    Mutant(
        "a new id at each publish", "The message id is made once, with the outbox row",
        "messaging/relay.py", 'else str(row["id"])', 'else __import__("uuid").uuid4().hex',
        (f"{RELAY}a_crash_between_publish_and_mark_publishes_again_under_the_same_id",),
    ),
    Mutant(
        "the row's number as id", "is unique across services",
        "messaging/relay.py", 'else str(row["id"])', 'else str(row["position"])',
        (f"{HERE}two_services_on_one_broker_lose_nothing_to_its_dedupe",),
    ),
    Mutant(
        "redrive under the same delivery id", "Redrive uses a new delivery id",
        "messaging/relay.py", 'return f"{row[\'id\']}/{row[\'delivery\']}" if row["delivery"] else str(row["id"])',
        'return str(row["id"])',
        (f"{RELAY}a_redrive_publishes_again_under_new_delivery_ids",),
    ),
    Mutant(
        "old rows go unpublished", "rows are kept for a retention time",
        "data/retention.py", "WHERE (o.fence, o.position) <= (r.fence, r.position) AND o.written_at", "WHERE o.written_at",
        (f"{RELAY}retention_removes_what_is_old_and_published",), short=False,
    ),
)  # fmt: skip

INBOX = (
    Mutant(
        "no inbox", "a duplicate returns at once",
        "messaging/inbox.py", '    if row is not None and row["fresh"]:', '    if row is not None and not row["parked"]:',
        (f"{CONSUMER}a_redelivered_message_has_no_second_effect",),
    ),
    Mutant(
        "no inbox, eight at once", "the same message on many consumers at once",
        "messaging/inbox.py", '    if row is not None and row["fresh"]:', '    if row is not None and not row["parked"]:',
        (f"{HERE}one_message_at_eight_consumers_at_once_takes_effect_once_500_times",), short=False,
    ),
    Mutant(
        "the inbox commits before the handler", "The inbox row is inserted in the handler's own transaction",
        "messaging/handling.py", "                if await enter(work) is Admission.FRESH:\n",
        '                if await enter(work) is Admission.FRESH and await work.execute("COMMIT; BEGIN"):\n',
        (f"{CONSUMER}a_failing_message_is_tried_three_times_then_parked_with_its_followers",),
    ),
    Mutant(
        "acknowledge before commit", "Acknowledge after commit",
        "messaging/pump.py", '            await handling\n            crash_point("before-acknowledge")\n            await delivery.acknowledge()\n',
        '            await delivery.acknowledge()\n            await handling\n            crash_point("before-acknowledge")\n',
        (f"{HERE}a_message_is_acknowledged_after_the_commit_only",),
    ),
    Mutant(
        "never extended", "A handler that outlives the acknowledgement wait extends it",
        "messaging/pump.py", "                    await delivery.extend()", "                    delivery.extend",
        (f"{HERE}a_long_handler_extends_its_wait",),
    ),
    Mutant(
        "a parked message knows no inbox", "a zombie's late commit must not take effect twice",
        "messaging/handling.py", 'crash_point("before-parked-attempt")\n            return Admission.FRESH if fresh else Admission.HANDLED', "return Admission.FRESH",
        (f"{HERE}a_parked_message_that_was_handled_elsewhere_is_not_handled_again",),
    ),
    Mutant(
        "one attempt", "3 at once with short jittered backoff",
        "contracts/policies.py", "RetryPolicy(base=0.05, most=0.4)", "RetryPolicy(1, base=0.05, most=0.4)",
        (f"{CONSUMER}a_failing_message_is_tried_three_times_then_parked_with_its_followers",), short=False,
    ),
    Mutant(
        "an outage costs attempts", "an outage of the service's own database costs no attempts",
        "messaging/handling.py", '                log.info("%s waits for the database: %s", incoming.message.subject, one_line(error))\n',
        "                tried += 1\n",
        (f"{HERE}the_database_being_away_costs_no_attempts",), short=False,
    ),
    Mutant(
        "no dead letter", "then the dead letters with error, stack, attempts and headers",
        "messaging/parking.py", "    await work.execute(_DIE, *_values(consumer, message, failure))\n", "",
        (f"{CONSUMER}an_exhausted_message_becomes_a_dead_letter_and_its_followers_go_on",), short=False,
    ),
    Mutant(
        "the parked hold all", "without blocking the queue",
        "messaging/inbox.py", "FROM atoll.parked WHERE consumer = $1 AND key = $3 LIMIT 1)", "FROM atoll.parked WHERE consumer = $1 AND $3 <> '' LIMIT 1)",
        (f"{HERE}one_percent_of_poison_stops_nothing_else",), short=False,
    ),
    Mutant(
        "parked key not held", "its key's later messages are parked behind it",
        "messaging/inbox.py", "FROM atoll.parked WHERE consumer = $1 AND key = $3 LIMIT 1)", "FROM atoll.parked WHERE consumer = $1 AND key = $3 AND false LIMIT 1)",
        (f"{CONSUMER}a_failing_message_is_tried_three_times_then_parked_with_its_followers",),
    ),
    Mutant(
        "no opting out", "unless the consumer opts out",
        "messaging/incoming.py", "envelope.key if route.policy.ordered else envelope.id", "envelope.key",
        (f"{CONSUMER}unordered_consumers_park_only_what_fails",), short=False,
    ),
    Mutant(
        "no lanes", "messages with one key are handled one after the other",
        "messaging/pump.py", "        key = incoming.message.key\n", "        key = str(delivery.sequence)\n",
        (f"{CONSUMER}order_by_key_and_keys_in_parallel",),
    ),
    Mutant(
        "one lane", "different keys in parallel",
        "messaging/pump.py", "        key = incoming.message.key\n", '        key = ""\n',
        (f"{CONSUMER}order_by_key_and_keys_in_parallel",), short=False,
    ),
    Mutant(
        "redrive of what is known", "Redrive",
        "messaging/dead_letters.py", "                await work.execute(_FORGET, again)\n", "",
        (f"{CONSUMER}an_exhausted_message_becomes_a_dead_letter_and_its_followers_go_on",),
    ),
    Mutant(
        "the inbox forgets first", "the inbox remembers longer than a broker keeps messages",
        "data/retention.py", "INBOX_DAYS = 8 ", "INBOX_DAYS = 6 ",
        ("tests/messaging/test_defences.py::test_the_inbox_remembers_longer_than_a_broker_keeps_messages",),
    ),
    Mutant(
        "no inbox for lists", "a list knows what was handled before",
        "messaging/inbox.py", 'fresh = row["fresh"] and message_id not in seen', 'fresh = not row["parked"]',
        (f"{LISTS}a_lot_knows_what_was_handled_before",),
    ),
    Mutant(
        "a list is acknowledged before its commit", "Acknowledge after commit",
        "messaging/pump.py",
        '            await self._handling.batch([incoming for _, incoming in lot])\n            crash_point("before-acknowledge")\n'
        "            for delivery, _ in lot:\n                await delivery.acknowledge()\n",
        '            for delivery, _ in lot:\n                await delivery.acknowledge()\n'
        '            await self._handling.batch([incoming for _, incoming in lot])\n            crash_point("before-acknowledge")\n',
        (f"{LISTS}a_lot_is_acknowledged_after_its_commit",), short=False,
    ),
    Mutant(
        "half of a list that failed is forgotten", "a list that fails is split until the culprit is found",
        "messaging/handling.py", "            await self.batch(incomings[half:])\n", "",
        (f"{LISTS}one_poisoned_message_of_a_lot_is_parked_with_its_followers_and_the_others_are_handled",), short=False,
    ),
    Mutant(
        "parked key not held in lists", "its key's later messages are parked behind it",
        "messaging/inbox.py", "AND key = ANY($3)),", "AND key = ANY($3) AND false),",
        (f"{LISTS}one_poisoned_message_of_a_lot_is_parked_with_its_followers_and_the_others_are_handled",), short=False,
    ),
    Mutant(
        "a take-over begins anew", "who takes a partition over gets what was not acknowledged, and nothing that was",
        "messaging/nats_subscription.py", "opt_start_seq=start + 1,", "opt_start_seq=1,",
        (f"{BROKERS}a_take_over_gets_what_was_not_acknowledged_in_order_and_nothing_that_was[nats]",), short=False,
    ),
    Mutant(
        "two readers of one partition", "one subscription at a time",
        "messaging/nats_subscription.py", "            await _delete(link, info.name)\n", "            _delete\n",
        (f"{BROKERS}an_older_subscription_ends_when_another_takes_over[nats]",),
    ),
)  # fmt: skip

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
        "sagas/runner.py", "        self._mine.add(partition)\n        self._wake.set()\n", "        pass\n",
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
        "sagas/run.py", "            if entry is not None and isinstance(step.action, Remote):\n                self._undoable", "            if entry is None:\n                self._undoable",
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

EVENT_SOURCING = (
    Mutant(
        "no expected version", "Append with an expected version",
        "data/event_store.py", '_AT_END = "$2::bigint = coalesce((SELECT max(number) FROM atoll.events WHERE stream = $1), 0)"',
        '_AT_END = "$2::bigint >= 0"',
        (f"{STORE}an_append_elsewhere_than_at_the_end_is_a_conflict",),
    ),
    Mutant(
        "the last writer wins", "a conflict is an error that the caller may retry",
        "data/event_store.py", "    rows = [outgoing(event, headers, None) for event in events]\n",
        "    rows = [outgoing(event, headers, None) for event in events]\n"
        "    expected = await work.fetchval(\"SELECT coalesce(max(number), 0) FROM atoll.events WHERE stream = $1\", stream)\n",
        (f"{AGGREGATE}of_two_that_change_it_at_once_one_wins",),
    ),
    Mutant(
        "an order of its own for the outbox", "Global order is the outbox's order",
        "data/event_store.py", "SELECT s.fence, s.position, s.id, s.subject,", "SELECT s.fence, s.position + 1000, s.id, s.subject,",
        (f"{STORE}events_that_the_service_publishes_are_in_the_outbox_at_the_same_place",),
    ),
    Mutant(
        "readers do not wait for who is late", "the global reader stops before what could still commit",
        "data/event_order.py", "ahead WHERE fence < (SELECT pg_snapshot_xmin(pg_current_snapshot())) ORDER", "ahead ORDER",
        (f"{STORE}the_global_reader_waits_for_a_transaction_that_commits_late",),
    ),
    Mutant(
        "snapshot as the truth", "Snapshots are a cache, never the truth",
        "data/aggregates.py", '    if not events or events[0]["number"] != snapshot["number"]:\n        return None  # it is ahead of its stream\n    return events[1:]',
        "    return events[1:]",
        (f"{AGGREGATE}a_broken_or_old_snapshot_is_passed_over",),
    ),
    Mutant(
        "a snapshot of any shape", "Snapshots are a cache, never the truth",
        "data/aggregates.py", "FROM atoll.snapshots WHERE stream = $1 AND shape = $2)", "FROM atoll.snapshots WHERE stream = $1 AND shape <> $2 || '!')",
        (f"{AGGREGATE}a_broken_or_old_snapshot_is_passed_over",), short=False,
    ),
    Mutant(
        "checkpoint outside of the transaction", "A projection owns its checkpoint in the same transaction as its read model",
        "data/projecting.py", "            await self._project(batch, connection)\n",
        '            await self._project(batch, connection)\n            await connection.execute("COMMIT; BEGIN")\n',
        (f"{PROJECTION}read_model_and_checkpoint_are_never_apart",),
    ),
    Mutant(
        "checkpoint first", "A projection owns its checkpoint in the same transaction as its read model",
        "data/projecting.py", "            await self._project(batch, connection)\n",
        '            await checkpoint.move(connection, found.upto)\n            await connection.execute("COMMIT; BEGIN")\n'
        "            await self._project(batch, connection)\n",
        (f"{PROJECTION}read_model_and_checkpoint_are_never_apart",), short=False,
    ),
    Mutant(
        "the checkpoint is not looked at", "each event takes effect once",
        "data/projecting.py", "            if at != after:\n                return Step(at, full=True)\n", "",
        (f"{PROJECTION}one_instance_runs_it_at_a_time", f"{PROJECTION}the_new_tables_are_not_behind_the_old_ones"), short=False,
    ),
    Mutant(
        "rebuild in place", "rebuilding goes into a new table and swaps",
        "data/rebuild.py", "\"SELECT set_config('search_path', $1, false)\", f\"{schema}, {path}\"", "\"SELECT set_config('search_path', $1, false)\", path",
        (f"{PROJECTION}a_rebuild_equals_the_live_one",),
    ),
    Mutant(
        "the new tables lag", "a rebuild equals the live one",
        "data/rebuild.py", "            while at < live:\n", "            while at < live and False:\n",
        (f"{PROJECTION}the_new_tables_are_not_behind_the_old_ones",), short=False,
    ),
    Mutant(
        "old versions as they are", "Old event versions are upcast on read",
        "contracts/upcasting.py", "_upcast(event, chain, body, version) if chain else body", "body",
        (f"{STORE}old_versions_are_read_as_new_ones",), short=False,
    ),
)  # fmt: skip

MUTANTS = (*OUTBOX, *INBOX, *SAGAS, *EVENT_SOURCING)
