"""Tasks as the store has them: JSON objects from which equal tasks are read."""

import json
from pathlib import Path
from typing import Any, cast

import pytest

from service.admission.tasks import (
    ColumnFile,
    FinalistsTask,
    LinkedFile,
    MeasureTask,
    PipelineTask,
    PredictorTask,
    RecordedDevice,
    RetrainTask,
    SearchTask,
    Task,
    VerifyTask,
)
from service.artifacts import Artifacts
from service.catalog.files import FileReference
from service.kinds.base import Context
from service.kinds.measure import DeviceAway, Measure

FILE = FileReference("mine", "/files/mine.json", "0" * 64, "uploads/mine")
VERIFY = VerifyTask(3, FILE, 9.5, "a1", "board", 30.0, 8, exports=True)
DEVICE = RecordedDevice("phone", "hw-nas-bench", (FILE, FILE))

FULL_TASKS: list[Task] = [
    SearchTask(
        "spos-tiny",
        FILE,
        FILE,
        {"latency_ms": 10.0},
        1.64,
        "evolution",
        {"population_size": 20},
        2,
        3,
        objectives=("macs", "params"),
        charges=("macs=2e8^0.07",),
        supernet=FILE,
        benchmark="nasbench201:cifar10",
        benchmark_files=(FILE,),
        rank_by="top1",
        under=("fgsm=1",),
        lower_bound=True,
        device=DEVICE,
        threads=2,
        version="0.1",
        finalists=FinalistsTask(8, "digits", {"steps": 300}),
        verify=VERIFY,
        measuring={"task": "networks"},
        gave_up=True,
    ),
    PredictorTask(
        "spos-tiny",
        FILE,
        "mine",
        {"encoder": "gates"},
        1,
        2,
        "nasbench201",
        (ColumnFile(FILE, "top1"), ColumnFile(FILE)),
        "0.1",
    ),
    RetrainTask({"space": "spos-tiny"}, "digits", {"epochs": 2}, 1, 2, FILE, 3, "0.1"),
    PipelineTask("mine", "{}", ("profile",), (LinkedFile(FILE, "/files", "a/b"),), 2, "0.1"),
    MeasureTask({"task": "build"}, "board-spos", "shared", "a1", "0.1", gave_up=True),
]

PLAIN_TASKS: list[Task] = [
    SearchTask("spos-tiny", None, None, {}, 1.64, "random", {}, 1, 0),
    PredictorTask("spos-tiny", None, "mine"),
    RetrainTask({"space": "spos-tiny"}, "digits"),
    PipelineTask("mine", "{}", ()),
    MeasureTask({"task": "build"}, "board-spos", "shared"),
]


class _NoReports:
    """Receives nothing and cancels nothing."""

    def progress(self, progress: Any) -> None:
        """Ignore the progress."""

    def cancelled(self) -> bool:
        """Return that it is not cancelled."""
        return False


@pytest.mark.parametrize("task", [*FULL_TASKS, *PLAIN_TASKS], ids=lambda task: type(task).__name__)
def test_task_that_is_read_equals_the_one_that_was_written(task: Task) -> None:
    stored = json.loads(json.dumps(task.to_dict()))

    assert stored == task.to_dict()
    assert type(task).from_dict(stored) == task


def test_search_task_of_an_older_version_is_read_with_defaults() -> None:
    task = SearchTask("spos-tiny", FILE, FILE, {}, 1.64, "random", {}, 1, 0)
    newer = ("benchmark_files", "device", "verify", "objectives", "charges", "under", "gave_up")
    stored = {name: value for name, value in task.to_dict().items() if name not in newer}

    assert SearchTask.from_dict(stored) == task


@pytest.mark.parametrize("export_for", [None, "a1"])
def test_measurement_that_was_given_up_ends_with_its_device_away(
    tmp_path: Path, export_for: str | None
) -> None:
    # The space does not exist, so that an export would fail in another way.
    task = MeasureTask({"space": "none", "conditions": {"batch": 1}, "seed": 0}, "mine", "shared")
    # The store marks the JSON object.
    stored = {**task.to_dict(), "export_for": export_for, "gave_up": True}
    context = Context("job", 2, tmp_path, cast(Artifacts, None), _NoReports())

    with pytest.raises(DeviceAway, match="the device that was to measure 'mine' is away"):
        Measure().run(stored, context)
