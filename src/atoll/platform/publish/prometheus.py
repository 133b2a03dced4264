"""The system for Prometheus: what to scrape, what to work out, when to alert. Proven by promtool, and by Prometheus itself."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from atoll.platform.publish.alerts import alert_rules
from atoll.platform.publish.durations import duration
from atoll.platform.publish.files import Files
from atoll.platform.publish.recording import recording_rules
from atoll.platform.publish.slos import slo_groups
from atoll.platform.publish.targets import Target
from atoll.platform.publish.yaml import written
from atoll.system import System

INTERVAL = 15.0  # seconds; Prometheus's own examples


def prometheus_files(system: System, targets: Iterable[Target], interval: float = INTERVAL) -> Files:
    """prometheus.yml, rules/*.yml and targets/SYSTEM.json, which Prometheus reads again whenever it changes.

    interval: seconds between two scrapes, and between two evaluations of the rules.
    """
    promised = {f"rules/{system.name}-slos.yml": written({"groups": slo_groups(system)})} if system.slos else {}
    general = [
        _group(f"{system.name}-recording", recording_rules(system.name)),
        _group(f"{system.name}-alerts", alert_rules(system.name)),
    ]
    return {
        "prometheus.yml": written(_configuration(system, interval)),
        f"rules/{system.name}.yml": written({"groups": general}),
        **promised,
        f"targets/{system.name}.json": _targets(system, targets),
    }


def _group(name: str, rules: list[dict[str, Any]]) -> dict[str, Any]:
    return {"name": name, "rules": rules}


def _configuration(system: System, interval: float) -> dict[str, Any]:
    every = duration(interval)
    return {
        "global": {
            "scrape_interval": every,
            "scrape_timeout": duration(min(interval, 10.0)),
            "evaluation_interval": every,
        },
        "rule_files": ["rules/*.yml"],
        "scrape_configs": [{"job_name": system.name, "file_sd_configs": [{"files": [f"targets/{system.name}.json"]}]}],
    }


def _targets(system: System, targets: Iterable[Target]) -> str:
    found = [
        {
            "targets": [one.address],
            "labels": {"system": system.name, "service": one.service, "instance": one.instance},
        }
        for one in targets
    ]
    return json.dumps(found, indent=2) + "\n"
