from __future__ import annotations

import asyncio
import sys
import textwrap
from pathlib import Path

import asyncpg
import pytest

from atoll.data import MigrationError, migrate
from atoll.data.migrations import FRAMEWORK
from atoll.service import Service
from atoll.testing import PostgresServer

OURS = tuple(f"atoll {path.name[:4]}" for path in sorted(FRAMEWORK.glob("0*.py")))  # revisions that every database gets


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.create_database()


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A package ``sample`` on the import path, with an empty folder of migrations."""
    folder = tmp_path / f"sample_{tmp_path.name}"
    (folder / "migrations").mkdir(parents=True)
    (folder / "__init__.py").touch()
    monkeypatch.syspath_prepend(str(tmp_path))
    return folder


def service(package: Path) -> Service:
    return Service("sample", migrations=f"{package.name}:migrations")


def write(package: Path, revision: str, down: str | None, body: str) -> None:
    text = f'from alembic import op\n\nrevision = "{revision}"\ndown_revision = {down!r}\n\n\ndef upgrade() -> None:\n'
    (package / "migrations" / f"{revision}.py").write_text(text + textwrap.indent(textwrap.dedent(body), "    "))


async def tables(url: str, schema: str) -> set[str]:
    connection = await asyncpg.connect(url)
    try:
        rows = await connection.fetch("SELECT tablename FROM pg_tables WHERE schemaname = $1", schema)
    finally:
        await connection.close()
    return {row["tablename"] for row in rows}


async def test_makes_the_framework_tables_once(url: str) -> None:
    first = await migrate(url, Service("plain"))
    second = await migrate(url, Service("plain"))
    assert first.applied == OURS
    assert second.applied == ()
    assert {"outbox", "inbox", "parked", "dead_letters", "idempotency", "relay"} <= await tables(url, "atoll")


async def test_plain_revisions_run_in_order_without_alembic(url: str, package: Path) -> None:
    write(package, "0002", "0001", 'op.execute("ALTER TABLE things ADD name text")')
    write(package, "0001", None, 'op.execute("CREATE TABLE things (id int); CREATE INDEX ON things (id)")')
    code = (
        "import asyncio, sys; from atoll.data import migrate; from atoll.service import Service;"
        f"report = asyncio.run(migrate({url!r}, Service('sample', migrations='{package.name}:migrations')));"
        "print(report.applied, 'alembic' in sys.modules, 'sqlalchemy' in sys.modules)"
    )
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", code, stdout=asyncio.subprocess.PIPE, env={"PYTHONPATH": str(package.parent)}
    )
    out, _ = await process.communicate()
    name = f"{package.name}:migrations"
    assert out.decode().strip() == f"{(*OURS, f'{name} 0001', f'{name} 0002')} False False"


async def test_a_revision_that_computes_runs_under_alembic_between_plain_ones(url: str, package: Path) -> None:
    write(package, "0001", None, 'op.execute("CREATE TABLE numbers (n int)")')
    write(package, "0002", "0001", 'for n in range(3):\n    op.execute(f"INSERT INTO numbers VALUES ({n})")')
    write(package, "0003", "0002", 'op.execute("INSERT INTO numbers SELECT n + 10 FROM numbers")')
    report = await migrate(url, service(package))
    assert [one.split()[1] for one in report.applied[len(OURS) :]] == ["0001", "0002", "0003"]
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT sum(n) FROM numbers") == 36
    assert await connection.fetchval("SELECT version_num FROM public.alembic_version") == "0003"
    await connection.close()
    assert (await migrate(url, service(package))).applied == ()


async def test_two_at_once_apply_each_revision_once(url: str, package: Path) -> None:
    write(package, "0001", None, 'op.execute("CREATE TABLE things (id int)")')
    write(package, "0002", "0001", 'op.execute("SELECT pg_sleep(0.05); INSERT INTO things VALUES (1)")')
    reports = await asyncio.gather(*(migrate(url, service(package)) for _ in range(4)))
    assert sorted(len(report.applied) for report in reports) == [0, 0, 0, len(OURS) + 2]
    connection = await asyncpg.connect(url)
    assert await connection.fetchval("SELECT count(*) FROM things") == 1
    await connection.close()


async def test_a_failing_revision_is_one_line_and_leaves_nothing_behind(url: str, package: Path) -> None:
    write(package, "0001", None, 'op.execute("CREATE TABLE things (id int); INSERT INTO nowhere VALUES (1)")')
    with pytest.raises(MigrationError) as caught:
        await migrate(url, service(package))
    assert "revision 0001 (0001.py) failed" in str(caught.value)
    assert 'relation "nowhere" does not exist' in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "things" not in await tables(url, "public")


async def test_a_failing_revision_under_alembic_is_one_line_too(url: str, package: Path) -> None:
    write(package, "0001", None, 'op.drop_table("nowhere")')
    with pytest.raises(MigrationError, match="revision 0001 failed") as caught:
        await migrate(url, service(package))
    assert "\n" not in str(caught.value)


async def test_an_older_release_leaves_a_newer_database_alone(url: str, package: Path) -> None:
    write(package, "0001", None, 'op.execute("CREATE TABLE things (id int)")')
    write(package, "0002", "0001", 'op.execute("ALTER TABLE things ADD name text")')
    await migrate(url, service(package))
    (package / "migrations" / "0002.py").unlink()
    report = await migrate(url, service(package))
    assert report.applied == ()
    assert report.ahead == (f"{package.name}:migrations",)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("nonsense", "is not like package:folder"),
        ("no_such_package:migrations", "there is no package 'no_such_package'"),
        ("atoll:no_such_folder", "there is no folder"),
    ],
)
async def test_a_wrong_target_is_one_line(url: str, target: str, message: str) -> None:
    with pytest.raises(MigrationError, match=message):
        await migrate(url, Service("sample", migrations=target))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x = = 1\n", r"0001\.py:1: invalid syntax"),
        ("x = 1\n", r"0001\.py: no revision"),
        ("revision = '0002'\ndown_revision = '0001'\n", "down_revision is '0001', and there is no such revision"),
    ],
)
async def test_a_broken_file_is_one_line(url: str, package: Path, text: str, message: str) -> None:
    (package / "migrations" / "0001.py").write_text(text)
    with pytest.raises(MigrationError, match=message):
        await migrate(url, service(package))


async def test_an_unreachable_database_is_one_line_without_the_password() -> None:
    with pytest.raises(MigrationError, match="the database of sample cannot be reached") as caught:
        await migrate("postgresql://someone:very-secret@127.0.0.1:1/nowhere", Service("sample"))
    assert "very-secret" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_branches_are_left_to_alembic(url: str, package: Path) -> None:
    write(package, "root", None, 'op.execute("CREATE TABLE a (id int)")')
    write(package, "left", "root", 'op.execute("CREATE TABLE b (id int)")')
    write(package, "right", "root", 'op.execute("CREATE TABLE c (id int)")')
    report = await migrate(url, service(package))
    assert len(report.applied) == len(OURS) + 2
    assert {"a", "b", "c"} <= await tables(url, "public")
