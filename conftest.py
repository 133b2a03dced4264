"""For all tests, the framework's and the shop's: property tests are judged by what they find, not by how fast a machine is."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

settings.register_profile("any-machine", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-machine")

# What takes minutes and finds what shorter tests find too runs with ATOLL_LONG=1; CI has two cores and half an hour.
LONG = (
    "test_kill.py::test_no_order_is_lost_or_charged_twice_when_processes_are_killed[rabbitmq]",
    "test_kill.py::test_no_order_is_lost_or_charged_twice_when_processes_are_killed[kafka]",
    "test_outages.py::test_any_process_killed_at_any_time",
    "test_log_brokers.py::test_a_broker_killed_while_publishing_and_consuming_loses_nothing_that_it_acknowledged",
    "test_stops_under_load.py::test_sigterm_of_a_single_instance_leaves_a_gap_but_loses_no_order",
    "test_any_order.py",
    "test_its_steps_succeed_where_the_other_services_are_not[auth]",
    "test_its_steps_succeed_where_the_other_services_are_not[inventory]",
    "test_its_steps_succeed_where_the_other_services_are_not[payments]",
    "test_outages.py::test_the_broker_away_under_load",
    "test_down_leaves_nothing_and_a_second_run_has_all_orders[rabbitmq]",
    "test_down_leaves_nothing_and_a_second_run_has_all_orders[kafka]",
    "test_campaign.py::test_nothing_is_lost_or_twice_whatever_ends_where[1]",
    "test_campaign.py::test_nothing_is_lost_or_twice_whatever_ends_where[2]",
    "test_a_peer_confirms_and_charges_each_order_once[moleculer]",
    "test_a_peer_confirms_and_charges_each_order_once[go]",
    "test_a_peer_confirms_and_charges_each_order_once[nameko]",
    "test_a_benchmark_runs[scale-instances]",
    "test_many_services_and_many_rows",
    "test_campaign.py::test_releases_change_while_customers_order[long]",
    "test_mutations.py::test_without_the_defence_they_fail",
)
# Of what LONG names, these run always: one defence of each kind is taken out.
ALWAYS = (
    "they_fail[publish-before-commit]",
    "they_fail[mark-before-publish]",
    "they_fail[no-inbox]",
    "they_fail[no-inbox-for-lists]",
    "they_fail[acknowledge-before-commit]",
    "they_fail[no-journal]",
    "they_fail[no-derived-idempotency-key]",
    "they_fail[no-expected-version]",
)


def names(item: pytest.Item, parts: tuple[str, ...]) -> bool:
    """Whether one of the parts names the test."""
    return any(part in item.nodeid for part in parts)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is long, unless it is asked for; pytest's closing line counts it as deselected."""
    if os.environ.get("ATOLL_LONG"):
        return
    left_out = [item for item in items if names(item, LONG) and not names(item, ALWAYS)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
