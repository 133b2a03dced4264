"""What Grafana's dashboards show: rows of charts, each a title, a unit and PromQL with the labels that name its lines."""

from __future__ import annotations

from dataclasses import dataclass

from atoll.platform.publish.names import CALLS, HANDLED, REQUESTS, SENT, STATEMENTS


@dataclass(frozen=True, slots=True)
class Line:
    """query: PromQL. legend: with ``{{label}}``. exemplars: whether points of single traces are shown with it."""

    query: str
    legend: str
    exemplars: bool = False


@dataclass(frozen=True, slots=True)
class Chart:
    """unit: as Grafana calls it (``reqps``, ``s``, ``percentunit``, ``bytes``, ``short``)."""

    title: str
    unit: str
    lines: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Page:
    """A dashboard. rows: title and charts. by_service: whether it shows one service, which its reader chooses."""

    name: str
    title: str
    rows: tuple[tuple[str, tuple[Chart, ...]], ...]
    by_service: bool = False


def pages(system: str, promised: bool) -> tuple[Page, ...]:
    """The dashboards of a system. promised: whether it declares SLOs."""
    return (_overview(system, promised), _service(system), _messaging(system))


def _overview(system: str, promised: bool) -> Page:
    mine = f'{{system="{system}"}}'
    traffic = (
        _chart("Requests", "reqps", f"service:http_requests:rate5m{mine}", "{{service}}"),
        _chart("Failed", "percentunit", f"service:http_errors:ratio_rate5m{mine}", "{{service}}"),
        _chart("Slowest hundredth", "s", f"service:http_seconds:p99_5m{mine}", "{{service}}"),
    )
    state = (
        _chart("Instances that answer", "short", f"sum by (service) (up{mine})", "{{service}}"),
        _chart("Alerts", "short", f'sum by (alertname, service) (ALERTS{{system="{system}", alertstate="firing"}})',
               "{{alertname}} {{service}}"),
        _chart("Memory", "bytes", f"process_memory_usage_bytes{mine}", "{{instance}}"),
        _chart("Processor", "percentunit", f"rate(process_cpu_time_seconds{mine}[5m])", "{{instance}}"),
    )  # fmt: skip
    rows = (("Traffic", traffic), ("State", state))
    return Page("overview", f"{system}: overview", (*rows, ("Promises", _promises(system))) if promised else rows)


def _promises(system: str) -> tuple[Chart, ...]:
    """By windows of a name that every promise for the usual period has."""
    return tuple(
        _chart(title, "percentunit", f'{{__name__=~"slo:{kind}_errors:ratio_rate.+", system="{system}"}}',
               "{{slo}} {{__name__}}")
        for title, kind in (("Failed, in each window", "availability"), ("Too slow, in each window", "latency"))
    )  # fmt: skip


def _service(system: str) -> Page:
    mine = f'system="{system}", service="$service"'
    operations = (
        _chart("Requests", "reqps", f"service_operation:http_requests:rate5m{{{mine}}}", "{{atoll_operation}}"),
        _chart("Failed", "percentunit", f"service_operation:http_errors:ratio_rate5m{{{mine}}}", "{{atoll_operation}}"),
        _quantiles("Duration", REQUESTS, mine, "atoll_operation"),
    )
    outward = (
        _quantiles("Calls to others", CALLS, mine, "atoll_operation"),
        _quantiles("Statements", STATEMENTS, mine, "db_operation_name, db_collection_name"),
        _chart("Connections", "short", f"sum by (instance, db_client_connection_state) (db_client_connection_count{{{mine}}})",
               "{{instance}} {{db_client_connection_state}}"),
        _chart("Retries, sheddings, breakers", "ops",
               f"sum by (event, atoll_name) (rate(atoll_resilience_events_total{{{mine}}}[5m]))", "{{event}} {{atoll_name}}"),
    )  # fmt: skip
    process = (
        _chart("In flight", "short", f"http_server_active_requests{{{mine}}}", "{{instance}}"),
        _chart("Event loop, slowest hundredth", "s", f"service:event_loop_lag_seconds:p99_5m{{{mine}}}", "{{service}}"),
        _chart("Memory", "bytes", f"process_memory_usage_bytes{{{mine}}}", "{{instance}}"),
        _chart("Open files", "short", f"process_open_file_descriptor_count{{{mine}}}", "{{instance}}"),
    )
    rows = (("Operations", operations), ("What it asks", outward), ("Process", process))
    return Page("service", f"{system}: a service", rows, by_service=True)


def _messaging(system: str) -> Page:
    mine = f'system="{system}"'
    event = "service, messaging_destination_name"
    outbox = (
        _chart("Waiting for the broker", "short", f"max by (service) (atoll_outbox_pending{{{mine}}})", "{{service}}"),
        _chart("The oldest waits since", "s", f"max by (service) (atoll_outbox_lag_seconds{{{mine}}})", "{{service}}"),
        _chart("Published", "ops", f"sum by ({event}) (rate({SENT}_count{{{mine}}}[5m]))",
               "{{service}} {{messaging_destination_name}}"),
    )  # fmt: skip
    handled = (
        _chart("Handled", "ops", f"service_event:messages:rate5m{{{mine}}}", "{{service}} {{messaging_destination_name}}"),
        _quantiles("Duration", HANDLED, mine, event),
        _chart("Parked, dead", "short", f"max by (service) (atoll_messages_parked{{{mine}}})", "{{service}} parked",
               f"max by (service) (atoll_messages_dead{{{mine}}})", "{{service}} dead"),
    )  # fmt: skip
    long_running = (
        _chart("Sagas", "short", f"max by (service, atoll_saga, atoll_saga_status) (atoll_sagas{{{mine}}})",
               "{{atoll_saga}} {{atoll_saga_status}}"),
        _chart("Read models behind", "s", f"max by (service, atoll_projection) (atoll_projection_lag_seconds{{{mine}}})",
               "{{service}} {{atoll_projection}}"),
    )  # fmt: skip
    rows = (("Outbox", outbox), ("Consumers", handled), ("Sagas and read models", long_running))
    return Page("messaging", f"{system}: messaging", rows)


def _chart(title: str, unit: str, *queries: str) -> Chart:
    """queries: each followed by its legend."""
    return Chart(title, unit, tuple(map(Line, queries[::2], queries[1::2])))


def _quantiles(title: str, metric: str, mine: str, by: str) -> Chart:
    legend = " ".join(f"{{{{{label}}}}}" for label in by.split(", "))
    buckets = f"sum by ({by}, le) (rate({metric}_bucket{{{mine}}}[5m]))"
    lines = (Line(f"histogram_quantile({q}, {buckets})", f"{legend} p{q * 100:g}", q == 0.99) for q in (0.5, 0.99))
    return Chart(title, "s", tuple(lines))
