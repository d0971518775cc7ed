"""`service backup`: an archive that unpacks to a data folder, written while the service runs."""

import errno
import os
import tarfile
import threading
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.engine import make_url

from service.artifacts import Artifacts
from service.operation.backup import BackupFailed, back_up
from service.store import Store


def unpacked(path: Path, folder: Path) -> tuple[Store, Artifacts]:
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return Store(folder / "jobs.sqlite"), Artifacts(folder / "results")


@pytest.mark.parametrize("name", ["backup.tar", "backup.tar.gz", "backup.tgz"])
def test_a_backup_is_a_usable_data_folder(
    run: Any, store: Store, artifacts: Artifacts, jobs: dict[str, str], tmp_path: Path, name: str
) -> None:
    store.tokens.create("alice")
    path = tmp_path / "kept" / name
    result = run("backup", str(path))
    assert result.exit_code == 0, result.stderr
    assert result.stdout.startswith(f"wrote {path}: the jobs and 2 artifacts, ")
    assert [each.name for each in path.parent.iterdir()] == [name]
    assert (path.read_bytes()[:2] == b"\x1f\x8b") == (name != "backup.tar")
    restored, stored = unpacked(path, tmp_path / "restored")
    with closing(restored):
        assert restored.jobs.list() == store.jobs.list()
        for job_id in jobs.values():
            assert restored.jobs.get(job_id) == store.jobs.get(job_id)
            assert restored.events.list(job_id) == store.events.list(job_id)
        assert restored.tokens.list() == store.tokens.list()
        assert stored.paths() == artifacts.paths()
        assert stored.read(restored.jobs.get(jobs["recent"]).artifact or "") == b"recent" * 1000
        claimed = restored.leases.claim("e")
        assert claimed is not None
        assert claimed.id == jobs["waiting since long"]


def test_a_backup_during_writes_is_consistent(
    store: Store, artifacts: Artifacts, tmp_path: Path
) -> None:
    stop, count = threading.Event(), 0

    def write() -> None:
        while not stop.is_set():
            job, _ = store.jobs.create("search", {}, {})
            store.leases.claim("e")
            store.jobs.report(job.id, 1, {"evaluated": 1})
            store.jobs.finish(job.id, 1, {}, artifacts.write(job.id, 1, "result.json", b"{}"))

    writer = threading.Thread(target=write)
    writer.start()
    try:
        for number in range(4):
            back_up(store, artifacts, tmp_path / f"{number}.tar")
            restored, stored = unpacked(tmp_path / f"{number}.tar", tmp_path / str(number))
            with closing(restored):
                listed, total = restored.jobs.list(limit=10_000)
                assert total >= count
                count = total
                for job in listed:
                    answer = [event.sequence for event in restored.events.list(job.id)]
                    assert answer == list(range(1, len(answer) + 1))
                    assert job.state != "done" or (
                        len(answer) == 5 and stored.read(job.artifact or "") == b"{}"
                    )
    finally:
        stop.set()
        writer.join()


def test_a_failed_backup_keeps_the_previous_one(
    run: Any, jobs: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "backup.tar"
    path.write_bytes(b"the old one")

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(tarfile.TarFile, "addfile", full)
    result = run("backup", str(path))
    assert result.exit_code == 2
    assert f"Error: cannot write {path}: No space left on device\n" in result.stderr
    assert path.read_bytes() == b"the old one"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["backup.tar", "service"]


def test_backup_of_postgresql_refers_to_its_own_tools(
    store: Store, artifacts: Artifacts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(store.database, "url", make_url("postgresql+psycopg://me:secret@db/jobs"))
    monkeypatch.setattr(store.database, "name", "postgresql+psycopg://me:***@db/jobs")
    with pytest.raises(
        BackupFailed, match=r"the jobs are in postgresql\+psycopg://me:\*\*\*@db/jobs: use pg_dump"
    ):
        back_up(store, artifacts, tmp_path / "x.tar")
    assert not (tmp_path / "x.tar").exists()
