"""Processes of jobs: commands and trainings, their options, checkpoints and ends."""

import subprocess
import threading
import time
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

import spaces
from oneshot.errors import InvalidOption
from service.admission.tasks import RetrainTask
from service.artifacts import ArtifactFailed
from service.engine.reports import Assignment, LostProcess
from service.kinds.base import Context, Progress
from service.kinds.command import CommandFailed, run
from service.kinds.options import allowed, to_arguments
from service.kinds.ray_train import GroupReports
from tests.service.engine.bench import Bench

SPACE = "spos-tiny"


class Nobody:
    """Hears of nothing."""

    def progress(self, progress: Progress) -> None:
        pass

    def cancelled(self) -> bool:
        return False


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_options_are_those_of_the_command_without_paths() -> None:
    from oneshot.commands.retrain import retrain

    own = ("data", "seed")
    values = {
        "learning_rate": 0.1,
        "augment": False,
        "nesterov": True,
        "tensorboard": None,
        "epochs": -1,
    }
    assert to_arguments(retrain, values, own) == [
        "--learning-rate=0.1",
        "--no-augment",
        "--nesterov",
        "--epochs=-1",
    ]
    for name in ("output", "supernet", "data", "nonsense"):
        with pytest.raises(InvalidOption, match=f"unknown option '{name}'.*epochs"):
            to_arguments(retrain, {name: "/etc"}, own)
    assert "output" not in allowed(retrain, own)


def test_a_killed_command_counts_as_a_lost_process(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is the process that does the work, so its death is the worker's."""
    started: list[subprocess.Popen[str]] = []

    class Noted(subprocess.Popen[str]):
        def __init__(self, *arguments: Any, **options: Any):
            super().__init__(*arguments, **options)
            started.append(self)

    def killing() -> bool:
        started[0].kill()
        return False

    monkeypatch.setattr("service.kinds.command.subprocess.Popen", Noted)
    bench.enough = killing
    task = RetrainTask(
        spaces.get(SPACE).architecture([0] * 6).to_dict(), "digits", {"steps": 8}
    ).to_dict()
    report = bench.run("retrain", task)
    assert report == LostProcess(Assignment("job", 1), "was killed by SIGKILL")


def test_an_attempt_adopts_the_latest_checkpoints_as_its_own(bench: Bench, tmp_path: Path) -> None:
    def context(attempt: int) -> Context:
        return Context("job", attempt, tmp_path / str(attempt), bench.artifacts, Nobody())

    for attempt, stored in ((1, {"run.json": b"1", "last.ckpt": b"1"}), (2, {"run.json": b"2"})):
        for name, content in stored.items():
            bench.artifacts.write("job", attempt, f"kept-{name}", content)
    third = context(3)
    third.adopt_checkpoints("run.json", "last.ckpt")
    bench.artifacts.write("job", 1, "kept-last.ckpt", b"written late")
    assert [
        third.restore_checkpoint(tmp_path / "3" / name)
        for name in ("run.json", "last.ckpt", "other")
    ] == [
        True,
        True,
        False,
    ]
    assert [(tmp_path / "3" / name).read_bytes() for name in ("run.json", "last.ckpt")] == [
        b"1",
        b"1",
    ]
    assert not context(4).restore_checkpoint(tmp_path / "4" / "run.json")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (InvalidOption("no such thing"), ("failed", "no such thing")),
        (
            OSError(28, "No space left on device"),
            ("failed", "jobs have their own files: No space left on device;"),
        ),
        (
            ArtifactFailed("cannot write the artifact x: No space left on device"),
            ("failed", "cannot write the artifact"),
        ),
        (
            RuntimeError("[gloo/tcp/pair.cc]\nConnection reset by peer"),
            ("lost", "Connection reset by peer"),
        ),
        (KeyError("steps"), ("raised", "KeyError: 'steps'")),
    ],
)
def test_the_end_of_a_training_process_is_classified(
    error: Exception, expected: tuple[str, str]
) -> None:
    queue: SimpleQueue[tuple[str, str]] = SimpleQueue()
    GroupReports(queue).failed(error)
    kind, message = queue.get()
    assert (kind, expected[1] in message) == (expected[0], True), message


def test_a_command_ends_with_its_error_or_when_cancelled(bench: Bench, tmp_path: Path) -> None:
    from service.kinds.base import Cancelled

    context = Context("job", 1, tmp_path, bench.artifacts, bench.attempt())
    threads = threading.active_count()
    with pytest.raises(CommandFailed, match="unknown space 'sops'"):
        run(["spaces", "show", "sops"], context, 1)
    bench.enough = lambda: True
    begin = time.monotonic()
    with pytest.raises(Cancelled):
        run(["http.server", "0"], context, 1)
    # A busy machine needs several times the expected second.
    assert time.monotonic() - begin < 60
    # Threads of other tests may still be there, and end meanwhile.
    deadline = time.monotonic() + 30
    while threading.active_count() > threads and time.monotonic() < deadline:
        time.sleep(0.05)
    assert threading.active_count() <= threads
