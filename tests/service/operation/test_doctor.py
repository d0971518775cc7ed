"""`service doctor`: every fault is found and named, and nothing is changed."""

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from service.artifacts import Artifacts
from service.commands import main
from service.operation.lock import FolderLock, holder
from service.store import Store
from service.store.engines import RayStatus
from service.store.schema import HEAD


@pytest.fixture
def sound(world: Any, tmp_path: Path) -> list[str]:
    """Options of a folder of tables and one of predictors that can be read."""
    (tmp_path / "tables").mkdir()
    shutil.copy(world.tables / "made-up.json", tmp_path / "tables")
    return [
        "--tables",
        str(tmp_path / "tables"),
        "--predictors",
        str(world.predictors / "small.safetensors"),
    ]


def findings(stdout: str) -> dict[str, tuple[str, str]]:
    """Subject -> mark and detail."""
    lines = (re.fullmatch(r"([✓!✗]) (\w+) +(.*)", line) for line in stdout.splitlines())
    return {match[2]: (match[1], match[3]) for match in lines if match}


def test_doctor_finds_no_fault_on_a_new_machine(run: Any, data: Path, sound: list[str]) -> None:
    result = run("doctor", *sound)
    found = findings(result.stdout)
    assert result.exit_code == 0, result.stdout
    assert result.stdout.endswith("no faults\n")
    assert found["database"] == (
        "!",
        f"{data}/jobs.sqlite does not exist yet; the first start creates it",
    )
    assert found["artifacts"][0] == "!"
    assert {found[name][0] for name in ("packages", "disk", "tables", "predictors")} == {"✓"}
    assert not data.exists(), "looking changes nothing"


def announce(data: Path, *report: Any, **details: Any) -> None:
    """Record the report of an engine, by the clock that the command has as well."""
    store = Store(data / "jobs.sqlite")
    store.engines.announce(*report, **details)
    store.close()


def test_doctor_finds_no_fault_in_a_running_service(
    run: Any,
    store: Store,
    artifacts: Artifacts,
    data: Path,
    jobs: dict[str, str],
    sound: list[str],
    clock: Any,
) -> None:
    announce(data, "host-1", "ready", ray=RayStatus("2", "here", False))
    path, digest = artifacts.keep(b"a table")
    store.files.add("table", "cpu", digest, path)
    lock = FolderLock(data)
    before = artifacts.paths()
    result = run("doctor", *sound)
    lock.release()
    found = findings(result.stdout)
    assert result.exit_code == 0, result.stdout
    assert found["database"] == ("✓", f"{data}/jobs.sqlite, schema version {HEAD}")
    assert found["artifacts"] == ("✓", f"{data}/results can be written and read")
    assert found["jobs"] == ("✓", "2 queued, 2 done, 1 cancelled")
    assert found["uploads"] == ("✓", "1 have their content")
    assert found["engine"][0] == "✓"
    assert found["engine"][1].startswith("host-1 is ready, last report ")
    assert artifacts.paths() == before


def test_a_silent_engine_is_a_fault(run: Any, store: Store, data: Path, sound: list[str]) -> None:
    assert findings(run("doctor", *sound).stdout)["engine"][0] == "!"
    announce(data, "host-1", "stopped")
    lock = FolderLock(data)
    result = run("doctor", *sound)
    lock.release()
    assert result.exit_code == 1
    message = f"the service (process {holder_of(data)}) runs, but its engine does not report"
    assert findings(result.stdout)["engine"] == ("✗", message)
    announce(data, "host-1", "fault", "the raylet [2] is dead")
    result = run("doctor", *sound)
    assert result.exit_code == 1
    assert findings(result.stdout)["engine"][1].endswith("s ago: the raylet [2] is dead")


def holder_of(data: Path) -> str:
    return (data / "service.lock").read_text().strip()


def test_broken_files_are_named(
    run: Any, store: Store, artifacts: Artifacts, world: Any, data: Path
) -> None:
    store.files.add("table", "cpu", "0" * 64, "uploads/nowhere")
    artifacts.check()
    result = run("doctor", "--tables", str(world.tables), "--predictors", str(world.predictors))
    found = findings(result.stdout)
    assert result.exit_code == 1
    assert found["tables"][0] == "✗"
    assert "broken.json" in found["tables"][1]
    assert found["predictors"][0] == "✗"
    assert "broken.safetensors is not a predictor's file" in found["predictors"][1]
    assert found["uploads"] == (
        "✗",
        "content is missing of: cpu; upload again, or restore a backup",
    )
    assert result.stdout.endswith("faults to fix: 3\n")


def test_newer_damaged_and_foreign_databases_are_named(
    run: Any, store: Store, data: Path, sound: list[str]
) -> None:
    for number in range(200):
        store.jobs.create("search", {"number": number, "text": "x" * 500}, {})
    store.close()
    path = data / "jobs.sqlite"
    connection = sqlite3.connect(path)
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    # Before the version changes: a damaged file of the present schema must be named as damaged.
    complete = path.read_bytes()
    half = len(complete) // 2
    path.write_bytes(complete[:half] + b"\xff" * (len(complete) - half))
    for file in data.glob("jobs.sqlite-*"):
        file.unlink()
    result = run("doctor", *sound)
    assert (result.exit_code, findings(result.stdout)["database"][0]) == (1, "✗")
    assert f"{path} is damaged" in findings(result.stdout)["database"][1]
    path.write_text("my notes " * 100, encoding="utf-8")
    result = run("doctor", *sound)
    assert (result.exit_code, findings(result.stdout)["database"]) == (
        1,
        ("✗", f"cannot use {path}: file is not a database"),
    )


def test_an_older_database_is_no_fault(run: Any, data: Path, sound: list[str]) -> None:
    data.mkdir()
    connection = sqlite3.connect(data / "jobs.sqlite")
    connection.execute("CREATE TABLE meta (key VARCHAR, value VARCHAR)")
    connection.execute("INSERT INTO meta VALUES ('schema_version', '1')")
    connection.commit()
    connection.close()
    result = run("doctor", *sound)
    message = f"{data}/jobs.sqlite has schema version 0001; the next start upgrades it to {HEAD}"
    assert (result.exit_code, findings(result.stdout)["database"]) == (0, ("!", message))


def test_a_full_disk_and_an_unwritable_folder_are_faults(
    run: Any, data: Path, sound: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    data.mkdir()
    (data / "results").touch()
    usage = shutil.disk_usage(data)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage._replace(free=50 << 20))
    result = run("doctor", *sound)
    found = findings(result.stdout)
    assert result.exit_code == 1
    assert found["disk"] == (
        "✗",
        f"0.0 GiB free for {data}; python -m service gc --older-than 30d removes old jobs",
    )
    assert (found["artifacts"][0], "Not a directory" in found["artifacts"][1]) == ("✗", True)


def test_an_unreachable_database_is_named_without_its_password(
    sound: list[str], data: Path
) -> None:
    options = ["--database", "postgresql://me:secret@127.0.0.1:1/jobs", "--data", str(data)]
    result = CliRunner().invoke(main, ["doctor", *sound, *options])
    assert result.exit_code == 1
    assert "secret" not in result.stdout
    assert "me:***@127.0.0.1:1" in result.stdout


def test_the_holder_of_a_folder_is_reported(tmp_path: Path) -> None:
    import os

    assert holder(tmp_path) is None
    lock = FolderLock(tmp_path)
    assert holder(tmp_path) == str(os.getpid())
    lock.release()
    assert holder(tmp_path) is None
