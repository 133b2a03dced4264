# ruff: noqa: E501 - the texts are the source's own lines
"""How the defences of stored events and read models are taken out."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

STORE = "tests/data/test_event_store.py::test_"
AGGREGATE = "tests/data/test_aggregate.py::test_"
PROJECTION = "tests/data/test_projection.py::test_"

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
        (f"{STORE}an_append_elsewhere_than_at_the_end_is_a_conflict",),
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
        '            await connection.execute("COMMIT")\n            await self._project(batch, connection)\n            await connection.execute("BEGIN")\n',
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
        (f"{PROJECTION}a_step_from_where_the_checkpoint_no_longer_is_does_nothing",), short=False,
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
