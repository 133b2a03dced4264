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
)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what is long, unless it is asked for; pytest's closing line counts it as deselected."""
    if os.environ.get("ATOLL_LONG"):
        return
    left_out = [item for item in items if any(name in item.nodeid for name in LONG)]
    if left_out:
        config.hook.pytest_deselected(items=left_out)
        items[:] = [item for item in items if item not in set(left_out)]
