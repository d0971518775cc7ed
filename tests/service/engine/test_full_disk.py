"""Full and read-only disks under a real service: jobs fail with a sentence."""

import contextlib
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import spaces
from service.admission.tasks import RetrainTask
from service.artifacts import Artifacts
from service.client import ServiceProblem
from service.engine.attempt import Attempt
from service.engine.reports import Assignment, Failed

SPACE = "spos-tiny"
FULL, READ_ONLY = "No space left on device", "Read-only file system"
FEW = {"strategy": "random", "options": {"evaluations": 5}}

Mount = Callable[[str, str], Path]


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Mount]:
    """Mounts a small file system of a size such as `1m`."""
    mounted: list[Path] = []

    def mount(name: str, size: str) -> Path:
        place = tmp_path / name
        place.mkdir()
        command = ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(place)]
        try:
            result = subprocess.run(command, capture_output=True, text=True)
        except OSError as error:
            pytest.skip(f"no small file system can be mounted: {error}")
        if result.returncode:
            pytest.skip(f"no small file system can be mounted: {result.stderr.strip()}")
        mounted.append(place)
        return place

    yield mount
    for place in mounted:
        subprocess.run(["umount", "-l", str(place)], check=True)


@contextlib.contextmanager
def full(disk: Path, leave: int = 0) -> Iterator[None]:
    """Within the block a disk has no room, or only so many bytes."""
    ballast = disk / "ballast"
    with open(ballast, "ab", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    with open(ballast, "ab") as file:
        file.truncate(max(0, file.tell() - leave))
    try:
        yield
    finally:
        ballast.unlink()


@contextlib.contextmanager
def read_only(disk: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)
    try:
        yield
    finally:
        subprocess.run(["mount", "-o", "remount,rw", str(disk)], check=True)


def evaluations(count: int) -> list[dict[str, Any]]:
    space = spaces.get(SPACE)
    codes = np.unique(space.sample(np.random.default_rng(1), 2 * count), axis=0)[:count]
    pairs = zip(space.decode(codes), np.log(space.macs(codes)).tolist(), strict=True)
    return [
        {
            "architecture": architecture.to_dict(),
            "metrics": {"top1": value},
            "source": {"kind": "test"},
        }
        for architecture, value in pairs
    ]


def reason(handle: Any) -> str:
    """Why a job failed."""
    with pytest.raises(ServiceProblem) as caught:
        handle.wait(400)
    assert handle.status().state == "failed"
    return str(caught.value)


@pytest.mark.slow
def test_jobs_fail_on_a_full_disk_and_the_service_survives(
    start: Any, disk: Mount, tmp_path: Path
) -> None:
    """A search, a predictor and a retraining meet a full folder of artifacts; then it is read-only,
    then in order.
    """
    small = disk("disk", "512k")
    place = small / "results"
    client = start(tmp_path / "data", "--artifacts", str(place)).client
    client.upload_evaluations("mine", evaluations(40))
    architecture = spaces.get(SPACE).architecture([0] * 6)
    asks: dict[str, Callable[[], Any]] = {
        "result.json": lambda: client.search(space=SPACE, **FEW),
        "predictor.safetensors": lambda: client.train_predictor(
            "x", "mine", metric="top1", encoder="forest"
        ),
        "kept-run.json": lambda: client.retrain(
            architecture, steps=4, batch_size=16, limit=100, checkpoint_every=2
        ),
    }
    with full(small):
        for name, ask in asks.items():
            handle = ask()
            message = reason(handle)
            assert (
                f"cannot write the artifact {handle.id}/1/{name} in {place}: {FULL}; free some"
                " space" in message
            )
        with pytest.raises(ServiceProblem, match=FULL) as caught:
            client.upload_evaluations("others", evaluations(41))
        assert caught.value.status == 503
    with read_only(small):
        assert f"in {place}: {READ_ONLY}" in reason(asks["result.json"]())
    client.wait_until_ready(1)
    assert len(asks["result.json"]().wait(400)) == 5
    assert not list(place.rglob("*.part")), "nothing half-written is left"


@pytest.mark.slow
def test_a_full_database_refuses_requests_and_loses_no_job(start: Any, disk: Mount) -> None:
    small = disk("disk", "2m")
    client = start(small / "data", "--artifacts", str(small.parent / "results")).client
    long = client.search(space=SPACE, options={"population": 10, "generations": 200}, seed=3)
    while not long.status().progress:
        time.sleep(0.05)
    few = {"space": SPACE, "strategy": {"name": "random", "options": {"evaluations": 5}}}
    accepted, refused = [long], []
    with full(small):
        while len(accepted) < 100 and not refused:  # there is room in SQLite's own file still
            try:
                accepted.append(
                    type(long)(client, client.request("POST", "/search", few, retries=0)["id"])
                )
            except ServiceProblem as problem:
                refused.append((problem.status, str(problem)))
        assert refused == [(503, "the job store does not respond")]
        assert client.request("GET", "/healthz") == {"status": "alive"}
        time.sleep(2)
    assert len(long.wait(400)) > 1000
    for handle in accepted:
        handle.wait(400)
        assert handle.status().attempt == 1


@pytest.mark.slow
@pytest.mark.parametrize("leave", [0, 40_000])
def test_a_full_temporary_folder_is_named_by_the_failed_job(
    disk: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, leave: int
) -> None:
    """The folder cannot be made, or a checkpoint does not fit into it."""
    scratch = disk("scratch", "256k")
    monkeypatch.setattr("tempfile.tempdir", str(scratch))
    options = {
        "steps": 4,
        "batch_size": 16,
        "limit": 100,
        "checkpoint_every": 2,
        "tensorboard": False,
    }
    task = RetrainTask(spaces.get(SPACE).architecture([0] * 6).to_dict(), "digits", options)
    attempt = Attempt(
        Assignment("job", 1),
        Artifacts(tmp_path / "results"),
        lambda report: None,
        lambda assignment: False,
    )
    with full(scratch, leave):
        report = attempt.run("retrain", task.to_dict())
    assert isinstance(report, Failed)
    assert (
        report.error.detail
        == f"cannot write in {scratch}, where jobs have their own files: {FULL}; TMPDIR sets the"
        " place"
    )
    assert list(scratch.iterdir()) == []
