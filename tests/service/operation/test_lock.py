"""The lock of a data folder."""

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from service.operation.lock import FolderInUse, FolderLock, StoreInUse, StoreLock
from service.processes.supervisor import serve
from service.settings import Settings
from service.store import Store


def test_the_lock_is_exclusive_and_ends_with_its_process(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "data")
    with pytest.raises(FolderInUse, match=rf"in use by another service \(process {os.getpid()}\)"):
        FolderLock(tmp_path / "data", patience=0)
    FolderLock(tmp_path / "other", patience=0).release()
    lock.release()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            (
                "import time; from service.operation.lock import FolderLock; from pathlib import"
                f" Path; lock = FolderLock(Path({str(tmp_path / 'data')!r})); print('held',"
                " flush=True); time.sleep(60)"
            ),
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[3],
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(FolderInUse, match=str(holder.pid)):
        FolderLock(tmp_path / "data", patience=0.1)
    threading.Timer(0.2, holder.kill).start()
    FolderLock(tmp_path / "data").release()
    holder.wait()
    holder.stdout.close()


def test_a_folder_that_cannot_be_created_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(
        FolderInUse, match=r"cannot use the data folder .*file/data: Not a directory"
    ):
        FolderLock(tmp_path / "file" / "data")


def test_a_sqlite_file_has_one_service(tmp_path: Path) -> None:
    path = tmp_path / "one" / "jobs.sqlite"
    lock = StoreLock(path)
    store = Store(path)
    running, _ = store.jobs.create("search", {}, {})
    assert store.leases.claim("first") is not None

    link = tmp_path / "link.sqlite"
    link.symlink_to(path)
    for name in (path, link):
        with pytest.raises(
            StoreInUse, match=rf"in use by another service \(process {os.getpid()}\)"
        ):
            StoreLock(name, patience=0)
        settings = Settings(tmp_path / "two", port=0, database_url=f"sqlite:///{name}")
        with pytest.raises(StoreInUse, match="--database postgresql://"):
            serve(settings)

    assert store.jobs.get(running.id).state == "running", "the first one's job was left alone"
    store.close()
    lock.release()
    StoreLock(link, patience=0).release()


def test_a_postgresql_store_is_not_locked() -> None:
    first, second = StoreLock(None), StoreLock(None, patience=0)
    first.release()
    second.release()
