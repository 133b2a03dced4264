"""The system for Grafana: three dashboards, made with Grafana's own foundation SDK, and the files that provision them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from grafana_foundation_sdk.builders.dashboard import Dashboard, QueryVariable, Row
from grafana_foundation_sdk.builders.prometheus import Dataquery
from grafana_foundation_sdk.builders.timeseries import Panel
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import DataSourceRef, VariableRefresh

from atoll.platform.publish.files import Files
from atoll.platform.publish.pages import Chart, Page, pages
from atoll.platform.publish.yaml import written
from atoll.system import System

PROMETHEUS = "http://127.0.0.1:9090"  # its default
FOLDER = "/etc/grafana/dashboards"
WIDTH, HEIGHT = 24, 8  # of Grafana's grid


def grafana_files(system: System, prometheus: str = PROMETHEUS, folder: str = FOLDER) -> Files:
    """dashboards/SYSTEM-*.json, and provisioning/ for a data source and them.

    prometheus: its URL as Grafana reaches it. folder: where the dashboards will lie on Grafana's machine.
    """
    dashboards = {
        f"dashboards/{system.name}-{page.name}.json": _text(_dashboard(page, system.name))
        for page in pages(system.name, bool(system.slos))
    }
    return {
        **dashboards,
        f"provisioning/datasources/{system.name}.yml": written(_data_sources(system.name, prometheus)),
        f"provisioning/dashboards/{system.name}.yml": written(_providers(system.name, folder)),
    }


def _text(dashboard: Dashboard) -> str:
    return json.dumps(dashboard.build(), cls=JSONEncoder, indent=2) + "\n"


def _dashboard(page: Page, system: str) -> Dashboard:
    made = (
        Dashboard(page.title)
        .uid(f"atoll-{system}-{page.name}"[:40])  # Grafana's limit
        .tags(["atoll", system])
        .refresh("10s")
        .time("now-30m", "now")
        .timezone("browser")
    )
    if page.by_service:
        made = made.with_variable(_which_service(system))
    for title, charts in page.rows:
        made = made.with_row(Row(title))
        for panel in _panels(charts, system):
            made = made.with_panel(panel)
    return made


def _which_service(system: str) -> QueryVariable:
    return (
        QueryVariable("service")
        .label("Service")
        .datasource(_source(system))
        .query(f'label_values(up{{system="{system}"}}, service)')
        .refresh(VariableRefresh.ON_TIME_RANGE_CHANGED)
    )


def _panels(charts: tuple[Chart, ...], system: str) -> Iterator[Panel]:
    for chart in charts:
        panel = Panel().title(chart.title).unit(chart.unit).min(0).height(HEIGHT).span(WIDTH // len(charts))
        panel = panel.datasource(_source(system))
        for place, line in enumerate(chart.lines):
            query = Dataquery().expr(line.query).legend_format(line.legend).ref_id(chr(ord("A") + place))
            panel = panel.with_target(query.range().exemplar(line.exemplars))
        yield panel


def _source(system: str) -> DataSourceRef:
    return DataSourceRef(type_val="prometheus", uid=_uid(system))


def _uid(system: str) -> str:
    return f"{system[:29]}-prometheus"


def _data_sources(system: str, url: str) -> dict[str, Any]:
    """Exemplars lead to the trace in a data source for Tempo or Jaeger with the uid SYSTEM-traces, where there is one."""
    source = {
        "name": f"{system} Prometheus",
        "uid": _uid(system),
        "type": "prometheus",
        "access": "proxy",
        "url": url,
        "jsonData": {
            "httpMethod": "POST",
            "exemplarTraceIdDestinations": [{"name": "trace_id", "datasourceUid": f"{system[:33]}-traces"}],
        },
    }
    return {"apiVersion": 1, "datasources": [source]}


def _providers(system: str, folder: str) -> dict[str, Any]:
    provider = {"name": f"atoll {system}", "folder": system, "type": "file", "options": {"path": folder}}
    return {"apiVersion": 1, "providers": [provider]}
