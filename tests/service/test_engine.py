"""The engine in this process: faults of its workers and of the store; lock and settings."""

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.exc import OperationalError

from service.admission import admit
from service.catalog import Catalog
from service.engine.processes import ProcessEngine
from service.lock import FolderInUse, FolderLock
from service.schemas import SearchRequest
from service.settings import InvalidSetting, Settings
from service.store import Store


def within(seconds: float, true: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + seconds
    while not (now := true()) and time.monotonic() < deadline:
        time.sleep(0.02)
    return now


Running = tuple[ProcessEngine, Store]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """An engine at work, whose worker stays warm from test to test."""
    folder = tmp_path_factory.mktemp("running")
    (folder / "results").mkdir()
    (folder / "results" / ".a.1.json.x.part").write_text("{", encoding="utf-8")
    (folder / "results" / "b.1.json").write_text("{}", encoding="utf-8")
    store = Store(folder / "jobs.sqlite")
    engine = ProcessEngine(store, folder / "results")
    engine.start()
    yield engine, store
    engine.stop()
    store.close()


@pytest.fixture
def fresh(tmp_path: Path) -> Iterator[Running]:
    """An engine that is not started yet."""
    store = Store(tmp_path / "jobs.sqlite")
    engine = ProcessEngine(store, tmp_path / "results")
    yield engine, store
    engine.stop()
    store.close()


def task(world: Any, tmp_path: Path, **parts: Any) -> dict[str, Any]:
    asked = SearchRequest.model_validate({"space": "spos-tiny", "strategy": {"name": "random"}, **parts})
    return admit(asked, Catalog(world.settings(tmp_path)))[1].to_dict()


def test_half_written_results_of_a_dead_service_are_cleared_away(running: Running) -> None:
    assert [path.name for path in running[1].path.parent.joinpath("results").iterdir()] == ["b.1.json"]


@pytest.mark.slow
def test_a_failing_store_delays_the_result_and_loses_nothing(
    running: Running, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, store = running
    finish, failures = store.finish, [1, 2]

    def failing(*arguments: Any) -> None:
        if failures:
            failures.pop()
            raise OperationalError("UPDATE jobs", {}, Exception("database or disk is full"))
        finish(*arguments)

    monkeypatch.setattr(store, "finish", failing)
    job = store.create("search", {}, task(world, tmp_path))
    engine.notify()
    done = store.wait(job.id, 30)
    assert (done.state, done.attempt, failures) == ("done", 1, [])
    assert engine.fault() is None
    assert done.artifact is not None
    assert (store.path.parent / "results" / done.artifact).is_file()


def test_a_task_that_cannot_be_run_fails_and_the_worker_goes_on(running: Running, world: Any, tmp_path: Path) -> None:
    engine, store = running
    whole = task(world, tmp_path)
    gone = {**whole, "predictor": {**whole["predictor"], "path": str(tmp_path / "gone.safetensors")}}
    jobs = [store.create("search", {}, given) for given in (gone, {"nonsense": 1}, whole)]
    engine.notify()
    states = [store.wait(job.id, 30) for job in jobs]
    assert [job.state for job in states] == ["failed", "failed", "done"]
    assert states[0].error == {
        "kind": "InvalidFile",
        "detail": f"cannot read {tmp_path}/gone.safetensors: No such file or directory",
    }
    assert states[1].error is not None
    assert states[1].error["kind"] in ("KeyError", "TypeError")


@pytest.mark.slow
def test_workers_that_do_not_start_are_a_fault_until_they_do(
    fresh: Running, world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine, store = fresh
    assert engine.fault() == "the engine does not run"
    monkeypatch.setattr(sys, "executable", "/bin/false")
    job = store.create("search", {}, task(world, tmp_path))
    engine.start()
    assert within(10, lambda: engine.fault() is not None)
    assert engine.fault() == "workers do not start: 1 died while starting"
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    assert within(10, lambda: "2 died" in (engine.fault() or ""))
    monkeypatch.undo()
    assert store.wait(job.id, 30).state == "done"
    assert (store.get(job.id).attempt, engine.fault()) == (1, None)


def test_stopping_leaves_jobs_queued_and_may_be_done_twice(fresh: Running, world: Any, tmp_path: Path) -> None:
    engine, store = fresh
    endless = {"strategy": {"options": {"population": 2, "generations": 2000}}}
    job = store.create("search", {}, task(world, tmp_path, **endless))
    engine.start()
    assert within(20, lambda: store.get(job.id).progress is not None)
    threads = threading.active_count()
    engine.stop()
    engine.stop()
    left = store.get(job.id)
    assert (left.state, left.attempt, left.deaths, left.progress) == ("queued", 1, 0, None)
    assert threading.active_count() == threads - 2
    assert engine.fault() == "the engine does not run"


def test_the_lock_is_held_by_one_process_and_let_go_with_its_death(tmp_path: Path) -> None:
    lock = FolderLock(tmp_path / "data")
    with pytest.raises(FolderInUse, match=rf"in use by another service \(process {os.getpid()}\)"):
        FolderLock(tmp_path / "data", patience=0)
    FolderLock(tmp_path / "other", patience=0).release()
    lock.release()
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"import time; from service.lock import FolderLock; from pathlib import Path; "
            f"lock = FolderLock(Path({str(tmp_path / 'data')!r})); print('held', flush=True); time.sleep(60)",
        ],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "held\n"
    with pytest.raises(FolderInUse, match=str(holder.pid)):
        FolderLock(tmp_path / "data", patience=0.1)
    threading.Timer(0.2, holder.kill).start()
    FolderLock(tmp_path / "data").release()
    holder.wait()
    holder.stdout.close()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(FolderInUse, match=r"cannot use the data folder .*file/data: Not a directory"):
        FolderLock(tmp_path / "file" / "data")


@pytest.mark.parametrize(
    ("parts", "said"),
    [
        ({"host": "192.168.0.1"}, "host '192.168.0.1': only loopback"),
        ({"port": -1}, "port must be between 0 and 65535, not -1"),
        ({"workers": 0}, "workers must be positive, not 0"),
    ],
)
def test_settings_are_checked(parts: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSetting, match=said):
        Settings(**parts)
    assert Settings(host="localhost").workers >= 1
    assert Settings(host="::1", data=Path("x")).database == Path("x/jobs.sqlite")
