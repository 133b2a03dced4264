# ruff: noqa: E501 - the texts are the source's own lines
"""How the defences of the outbox and its relay are taken out."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

RELAY = "tests/messaging/test_relay.py::test_"
HERE = "tests/faults/test_promises.py::test_"
WORK = "tests/data/test_work.py::test_"

OUTBOX = (
    Mutant(
        "events outside of the transaction", "The event row commits with the state",
        "data/work.py", "        self._deferred.append(of_outbox(outgoing(event, headers, self._database.publishes)))\n        self._outgoing = True",
        "        row = outgoing(event, headers, self._database.publishes)\n"
        "        async with self._database.connection() as connection:\n"
        "            await connection.execute(WRITE, *columns([of_outbox(row)]))",
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
        "messaging/relay.py", "Leases(self._database).exclusive(self._lease,",
        'Leases(self._database).exclusive(f"{self._lease}{id(self)}",',
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
        "messaging/relay.py", "one_line(error))\n            await backoff.wait()\n\n", "one_line(error))\n            return\n\n",
        (f"{RELAY}a_broker_that_is_away_loses_nothing",),
    ),
    Mutant(
        "no mark", "Publishes are acknowledged by the broker before a row is marked; marks go in batches",
        "messaging/relay.py", "        await move_cursor(connection, cursor)\n", "",
        (f"{RELAY}a_broker_that_is_away_loses_nothing",), short=False,
    ),
    Mutant(
        "one key's events at once", "order per key holds whatever happens",
        "messaging/broker.py", "chains.setdefault(message.key, []).append(message)", "chains[message.message_id] = [message]",
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
