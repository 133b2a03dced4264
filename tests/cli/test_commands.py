from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

SYSTEM = """
from atoll.system import Gateway, Route, Service, System
system = System("small", services=(Service("web", command=("true",), database=False),),
                gateway=Gateway(routes=(Route("/web", to="web", public=True),)))
"""


def atoll(folder: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        (sys.executable, "-m", "atoll", *arguments),
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
        env={**os.environ, **environment},
    )


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "system.py").write_text(SYSTEM, "utf-8")
    return tmp_path


HELP = """
import sys
sys.argv = ["atoll", "--help"]
from atoll.cli import main
try:
    main()
finally:
    rooms = {name for name in sys.modules if name.startswith("atoll.") and not name.startswith("atoll.cli")}
    print(sorted(rooms | {"rich", "asyncio", "msgspec"} & set(sys.modules)))
"""


def test_help_names_every_verb_and_imports_none(folder: Path) -> None:
    said = subprocess.run((sys.executable, "-c", HELP), cwd=folder, capture_output=True, text=True, check=True).stdout
    for verb in (
        "up",
        "down",
        "ps",
        "logs",
        "traces",
        "metrics",
        "describe",
        "wait",
        "scale",
        "restart",
        "serve",
        "migrate",
        "doctor",
        "check",
        "completion",
    ):
        assert f"\n  {verb} " in said
    assert said.endswith("[]\n")


@pytest.mark.parametrize(
    "verb", ["up", "down", "ps", "logs", "traces", "metrics", "describe", "wait", "scale", "restart", "doctor", "check"]
)
def test_every_verb_has_help_and_json(folder: Path, verb: str) -> None:
    done = atoll(folder, verb, "--help")
    assert done.returncode == 0
    assert "--json" in done.stdout
    assert "--system" in done.stdout


def test_wrong_usage_exits_with_2(folder: Path) -> None:
    assert atoll(folder, "nonsense").returncode == 2
    assert atoll(folder, "up", "--port", "x").returncode == 2
    assert atoll(folder, "up", "--port", "99999").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (("upp",), "atoll: there is no verb 'upp'; did you mean 'up'?; see 'atoll --help'"),
        (("zzz",), "atoll: there is no verb 'zzz'; see 'atoll --help'"),
        (("up", "--prot", "1"), "atoll up: No such option '--prot'. Did you mean '--port'?; see 'atoll up --help'"),
        (("scale", "web"), "atoll scale: 'web' is not like orders=3; see 'atoll scale --help'"),
        (("psql",), "atoll psql: Missing argument 'SERVICE'; see 'atoll psql --help'"),
    ],
)
def test_wrong_usage_is_one_line(folder: Path, arguments: tuple[str, ...], line: str) -> None:
    done = atoll(folder, *arguments)
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"{line}\n")


def test_without_a_verb_the_help_is_shown(folder: Path) -> None:
    assert "Commands:" in atoll(folder).stderr


@pytest.mark.parametrize("arguments", [("ps",), ("wait",), ("scale", "web=2"), ("restart",), ("ps", "--json")])
def test_what_needs_a_running_system_says_so_in_one_line(folder: Path, arguments: tuple[str, ...]) -> None:
    done = atoll(folder, *arguments)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == f"{folder}: the system does not run; start it with 'atoll up'\n"


def test_logs_without_any_say_so(folder: Path) -> None:
    assert atoll(folder, "logs").stderr == "there are no logs; known are none yet; start the system with 'atoll up'\n"


def write_logs(folder: Path) -> None:
    logs = folder / ".atoll/logs"
    logs.mkdir(parents=True)
    for name, text in {
        "web-1": "--- 2026-01-02T10:00:00Z web-1 begins\nplain\n2026-01-02T10:00:03Z third\n2026-01-03T10:00:00Z fifth\n",
        "envoy": "[2026-01-02 10:00:02.000][1] second\n",
        "access": '{"time":"2026-01-02T10:00:04.000Z","path":"/x"}\n',
        "supervisor": "2026-01-02T10:00:01Z first\n",
    }.items():
        (logs / f"{name}.log").write_text(text, "utf-8")


def test_logs_come_in_the_order_of_time_with_dates(folder: Path) -> None:
    write_logs(folder)
    said = atoll(folder, "logs", TZ="UTC").stdout.splitlines()
    assert said == [
        "--- 2026-01-02",
        "web-1      | --- 2026-01-02T10:00:00Z web-1 begins",
        "web-1      | plain",
        "supervisor | 2026-01-02T10:00:01Z first",
        "gateway    | [2026-01-02 10:00:02.000][1] second",
        "web-1      | 2026-01-02T10:00:03Z third",
        "--- 2026-01-03",
        "web-1      | 2026-01-03T10:00:00Z fifth",
    ]


@pytest.mark.parametrize(
    ("name", "logs"), [("gateway", {"gateway", "access"}), ("envoy", {"gateway"}), ("access", {"access"})]
)
def test_the_gateways_logs_have_the_names_that_the_screen_shows(folder: Path, name: str, logs: set[str]) -> None:
    write_logs(folder)
    said = atoll(folder, "logs", name).stdout.splitlines()
    assert {line.partition(" ")[0] for line in said if " | " in line} == logs
    kinds = {json.loads(line)["name"] for line in atoll(folder, "logs", name, "--json").stdout.splitlines()}
    assert kinds == {{"gateway": "envoy"}.get(log, log) for log in logs}


TRACE = "0af7651916cd43dd8448eb211c80319c"


def write_mixed_logs(folder: Path) -> None:
    logs = folder / ".atoll/logs"
    logs.mkdir(parents=True)
    (logs / "web-1.log").write_text(
        "--- 2026-01-02T10:00:00Z web-1 begins\n2026-01-02T10:00:01Z error could not\nTraceback (most recent call last):\n"
        f"  File x\nValueError: card\n2026-01-02T10:00:02Z info fine trace_id={TRACE}\nWARNING: plain\n",
        "utf-8",
    )
    (logs / "access.log").write_text(
        f'{{"time":"2026-01-02T10:00:04.000Z","path":"/x","trace_id":"{TRACE}","status":503}}\n', "utf-8"
    )


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--level", "error"), ["could not", "Traceback", "  File x", "ValueError"]),
        (("--level", "warning", "web-1", "-n", "1"), ["WARNING"]),
        (("--grep", "FINE"), ["fine"]),
        (("--trace", TRACE), ["fine", "503"]),
        (("--since", "2026-01-02T10:00:02+00:00"), ["fine", "WARNING"]),
        (("--since", "1d"), []),
        (("-n", "0"), []),
    ],
)
def test_logs_are_filtered_and_a_stack_stays_whole(folder: Path, words: tuple[str, ...], expected: list[str]) -> None:
    write_mixed_logs(folder)
    lines = [json.loads(line)["line"] for line in atoll(folder, "logs", "--json", *words).stdout.splitlines()]
    assert len(lines) == len(expected), lines
    assert all(part in line for part, line in zip(expected, lines, strict=True))


def test_a_trace_that_is_none_is_refused_in_a_line(folder: Path) -> None:
    write_mixed_logs(folder)
    done = atoll(folder, "logs", "--trace", "xyz")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("--trace: 'xyz' is no trace id")


def test_a_log_that_is_not_there_is_told_with_those_that_are(folder: Path) -> None:
    write_logs(folder)
    said = atoll(folder, "logs", "wbe").stderr
    assert said == "there are no logs of wbe; known are access, gateway, supervisor, web-1\n"


def test_the_system_may_be_named_before_or_after_the_verb(
    folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    for arguments in (
        ("-f", str(folder), "describe"),
        ("describe", "-f", str(folder)),
        ("describe", "--system", str(folder / "system.py")),
    ):
        assert json.loads(atoll(elsewhere, *arguments, "--json").stdout)["system"] == "small"
    assert atoll(elsewhere, "describe").returncode == 1


def test_describe_shows_services_routes_and_parts(folder: Path) -> None:
    described = json.loads(atoll(folder, "describe", "--json").stdout)
    assert [service["name"] for service in described["services"]] == ["web"]
    assert described["routes"] == [{"method": "*", "path": "/web/*", "service": "web", "access": "public"}]
    assert described["parts"] == [{"kind": "envoy", "where": "127.0.0.1:8080"}]
    assert "web: runs true" in atoll(folder, "describe").stdout


def test_describe_takes_names(folder: Path) -> None:
    described = json.loads(atoll(folder, "describe", "web", "--json").stdout)
    assert (len(described["services"]), len(described["routes"]), described["parts"]) == (1, 1, [])
    assert [part["kind"] for part in json.loads(atoll(folder, "describe", "gateway", "--json").stdout)["parts"]] == [
        "envoy"
    ]
    assert atoll(folder, "describe", "nobody").stderr == "there is no 'nobody'; known are web, gateway\n"


def test_check_prints_every_finding(folder: Path) -> None:
    assert atoll(folder, "check").returncode == 0
    (folder / "system.py").write_text(
        SYSTEM.replace('to="web"', 'to="x"').replace('Service("web"', 'Service("Web"'), "utf-8"
    )
    done = atoll(folder, "check")
    assert (done.returncode, len(done.stderr.splitlines())) == (1, 2)
    assert all(line.startswith("system.py:") for line in done.stderr.splitlines())
    assert len(json.loads(atoll(folder, "check", "--json").stdout)["findings"]) == 2


def test_doctor_names_the_programs(folder: Path) -> None:
    (folder / "system.py").write_text(SYSTEM.replace("Gateway(", "Gateway(port=0, "), "utf-8")
    done = atoll(folder, "doctor", "--json")
    assert done.returncode == 0, done.stdout
    assert {"python", "machine", "envoy", "nats", "postgres", "user", "system", "gateway", "disk"} == {
        check["name"] for check in json.loads(done.stdout)["checks"]
    }


def test_doctor_looks_at_the_gateways_port_and_at_given_servers(folder: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        text = SYSTEM.replace("Gateway(", f"Gateway(port={port}, ").replace(
            "services=", 'broker=Nats("nats://127.0.0.1:9"), postgres=Postgres("postgresql://a@127.0.0.1:7"), services='
        )
        (folder / "system.py").write_text(text.replace("import G", "import Nats, Postgres, G"), "utf-8")
        done = atoll(folder, "doctor", "--json")
    assert done.returncode == 1
    wrong = {check["name"]: check["text"] for check in json.loads(done.stdout)["checks"] if not check["fine"]}
    assert set(wrong) == {"gateway", "given nats", "given postgres"}, wrong
    assert f"port {port} is in use by " in wrong["gateway"]
    assert "the given NATS at 127.0.0.1:9 is not reachable" in wrong["given nats"]


@pytest.mark.parametrize(("broker", "kind"), [("RabbitMQ", "rabbitmq"), ("Kafka", "kafka")])
def test_doctor_and_describe_know_a_broker_that_is_fetched(folder: Path, broker: str, kind: str) -> None:
    text = SYSTEM.replace("Gateway(", "Gateway(port=0, ").replace("services=", f"broker={broker}(), services=")
    (folder / "system.py").write_text(text.replace("import G", f"import {broker}, G"), "utf-8")
    found = {check["name"]: check["text"] for check in json.loads(atoll(folder, "doctor", "--json").stdout)["checks"]}
    assert (
        f"/{kind}" in found[kind] or f"{kind}: " in found[kind]
    )  # where it is or will be, or why it can't be had here
    assert found[f"{kind} library"].endswith("is there")
    parts = {part["kind"]: part["where"] for part in json.loads(atoll(folder, "describe", "--json").stdout)["parts"]}
    assert parts[kind].startswith("own")


def test_another_broker_for_a_system_without_one_is_one_line(folder: Path) -> None:
    done = atoll(folder, "up", "-d", "--isolated", "--broker", "kafka")
    assert done.returncode == 1
    assert done.stderr.splitlines()[0].endswith("--broker kafka: the system has no broker; add broker=Nats()")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_is_printed_for_each_shell(folder: Path, shell: str) -> None:
    assert "_ATOLL_COMPLETE" in atoll(folder, "completion", shell).stdout


def test_without_a_shell_in_the_environment_the_calling_one_is_taken(folder: Path) -> None:
    script = f'eval "$({sys.executable} -m atoll completion)"; complete -p atoll'
    done = subprocess.run(
        ("bash", "-c", script), cwd=folder, capture_output=True, text=True, check=False,
        env={name: value for name, value in os.environ.items() if name != "SHELL"},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    assert "_atoll_completion atoll" in done.stdout


@pytest.mark.parametrize(
    ("verb", "names"),
    [("restart", ["web"]), ("scale", ["web"]), ("logs", ["gateway", "web"]), ("ps", ["gateway", "web"])],
)
def test_names_are_completed_as_the_verb_takes_them(folder: Path, verb: str, names: list[str]) -> None:
    state = {
        "processes": {
            name: {"kind": kind, "identity": {"pid": 1, "started": "x"}}
            for name, kind in (("web-1", "service"), ("envoy", "envoy"))
        }
    }
    (folder / ".atoll").mkdir()
    (folder / ".atoll/state.json").write_text(json.dumps(state), "utf-8")
    done = atoll(folder, _ATOLL_COMPLETE="bash_complete", COMP_WORDS=f"atoll {verb} ", COMP_CWORD="2")
    assert done.stdout.split() == [f"plain,{name}" for name in names]


def test_verbs_are_completed(folder: Path) -> None:
    done = atoll(folder, _ATOLL_COMPLETE="bash_complete", COMP_WORDS="atoll des", COMP_CWORD="1")
    assert done.stdout.split() == ["plain,describe"]


def test_serve_and_migrate_say_what_prevents_them_in_one_line(folder: Path) -> None:
    for verb in ("serve", "migrate"):
        done = atoll(folder, verb, "no_such_module:service")
        assert done.returncode == 1
        assert done.stderr.startswith(f"atoll {verb} no_such_module:service: ")
        assert len(done.stderr.splitlines()) == 1
