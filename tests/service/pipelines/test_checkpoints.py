"""Checkpoints of a pipeline: what a later attempt finds of an earlier one."""

from __future__ import annotations

import io
import json
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from service.artifacts import Artifacts
from service.kinds.base import Context, Progress
from service.pipelines.checkpoints import PipelineCheckpoints

OUTPUTS = {"train": "train", "evaluate": "evaluate.jsonl"}


class Nobody:
    """Hears of nothing."""

    def progress(self, progress: Progress) -> None:
        pass

    def cancelled(self) -> bool:
        return False


@pytest.fixture
def attempt(tmp_path: Path) -> Callable[[int], tuple[PipelineCheckpoints, Path]]:
    """Makes the checkpoints of an attempt with a folder of its own."""

    def make(number: int) -> tuple[PipelineCheckpoints, Path]:
        folder = tmp_path / str(number)
        shutil.rmtree(folder, ignore_errors=True)
        (folder / "run").mkdir(parents=True)
        context = Context("job", number, folder, Artifacts(tmp_path / "results"), Nobody())
        return PipelineCheckpoints(context, folder / "run", OUTPUTS), folder / "run"

    return make


def record(folder: Path, **statuses: str) -> None:
    stages = {
        name: {"arguments": [], "inputs": {}, "status": status, "seconds": 0, "result": ""}
        for name, status in statuses.items()
    }
    (folder / "pipeline.json").write_text(json.dumps({"version": 1, "stages": stages}))


def test_a_later_attempt_finds_done_stages_and_the_interrupted_one(
    attempt: Callable[[int], tuple[PipelineCheckpoints, Path]],
) -> None:
    checkpoints, folder = attempt(1)
    (folder / "train" / "tensorboard").mkdir(parents=True)
    (folder / "train" / "tensorboard" / "curve").write_text("x")
    (folder / "train" / "weights").write_text("trained")
    (folder / "evaluate.jsonl.part").write_text("half")
    record(folder, train="done", evaluate="running")
    checkpoints.store()

    later, restored = attempt(2)
    later.restore()
    assert (restored / "train" / "weights").read_text() == "trained"
    assert (restored / "evaluate.jsonl.part").read_text() == "half"
    assert not (restored / "train" / "tensorboard").exists()
    assert json.loads((restored / "pipeline.json").read_text())["stages"].keys() == OUTPUTS.keys()


def test_an_attempt_that_died_while_it_adopted_hides_nothing(
    attempt: Callable[[int], tuple[PipelineCheckpoints, Path]], tmp_path: Path
) -> None:
    checkpoints, folder = attempt(1)
    (folder / "train").mkdir()
    (folder / "train" / "weights").write_text("trained")
    record(folder, train="done")
    checkpoints.store()
    # The second one adopted the record alone.
    artifacts = Artifacts(tmp_path / "results")
    artifacts.write("job", 2, "kept-pipeline.json", folder / "pipeline.json")

    later, restored = attempt(3)
    later.restore()
    assert (restored / "train" / "weights").read_text() == "trained"


def test_a_record_without_its_files_is_not_trusted(
    attempt: Callable[[int], tuple[PipelineCheckpoints, Path]], tmp_path: Path
) -> None:
    _, folder = attempt(1)
    record(folder, train="done")
    artifacts = Artifacts(tmp_path / "results")
    artifacts.write("job", 1, "kept-pipeline.json", folder / "pipeline.json")
    later, restored = attempt(2)
    later.restore()
    assert not (restored / "pipeline.json").exists()


def test_an_archive_writes_nothing_outside_the_run(
    attempt: Callable[[int], tuple[PipelineCheckpoints, Path]], tmp_path: Path
) -> None:
    _, folder = attempt(1)
    record(folder, train="done")
    archive = tmp_path / "train.tar"
    with tarfile.open(archive, "w") as file:
        for name in ("train/weights", "../../escaped", "/escaped"):
            member = tarfile.TarInfo(name)
            member.size = 1
            file.addfile(member, io.BytesIO(b"x"))
    artifacts = Artifacts(tmp_path / "results")
    artifacts.write("job", 1, "kept-train.tar", archive)
    artifacts.write("job", 1, "kept-pipeline.json", folder / "pipeline.json")
    later, restored = attempt(2)
    later.restore()
    assert (restored / "train" / "weights").read_text() == "x"
    assert not list(tmp_path.rglob("escaped"))


def test_the_first_attempt_begins_with_nothing(
    attempt: Callable[[int], tuple[PipelineCheckpoints, Path]],
) -> None:
    checkpoints, folder = attempt(1)
    checkpoints.restore()
    checkpoints.store()
    assert list(folder.iterdir()) == []
