# ruff: noqa: E501 - the texts are the source's own lines
"""How the defences of the inbox and of consumers are taken out."""

from __future__ import annotations

from tests.mutations.mutant import Mutant

CONSUMER = "tests/messaging/test_consumer.py::test_"
HERE = "tests/faults/test_promises.py::test_"
LISTS = "tests/messaging/test_batches.py::test_"
BROKERS = "tests/conformance/test_broker.py::test_"

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
        (f"{HERE}a_parked_message_holds_back_its_key_alone",), short=False,
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
        '            await self._handling.batch([incoming for _, _, incoming in lot])\n            crash_point("before-acknowledge")\n'
        "            for _, delivery, _ in lot:\n                await delivery.acknowledge()\n",
        '            for _, delivery, _ in lot:\n                await delivery.acknowledge()\n'
        '            await self._handling.batch([incoming for _, _, incoming in lot])\n            crash_point("before-acknowledge")\n',
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
