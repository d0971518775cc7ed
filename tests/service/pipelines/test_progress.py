"""Stages of a running pipeline as steps, from the record of the run."""

from __future__ import annotations

import json
from pathlib import Path

from service.jobs import JsonObject
from service.kinds.base import Progress
from service.kinds.command import CommandProgress
from service.pipelines.progress import StepReports


class Heard:
    """Keeps what is reported."""

    def __init__(self) -> None:
        self.reports: list[JsonObject] = []

    def progress(self, progress: Progress) -> None:
        self.reports.append(progress.to_dict())

    def cancelled(self) -> bool:
        return False


def record(folder: Path, **statuses: str) -> None:
    stages = {
        name: {
            "arguments": [],
            "inputs": {},
            "status": status,
            "seconds": 1.5,
            "result": "fine" if status == "done" else "",
        }
        for name, status in statuses.items()
    }
    path = folder / "new.json"
    path.write_text(json.dumps({"version": 1, "stages": stages}))
    path.replace(folder / "pipeline.json")


def test_steps_follow_the_record_and_the_present_stage(tmp_path: Path) -> None:
    heard = Heard()
    reports = StepReports(heard, tmp_path, ["train", "search"])
    reports.follow()
    assert heard.reports == []

    record(tmp_path, train="running")
    reports.follow()
    reports.progress(CommandProgress("training", 0.5, "step 3"))
    # Every poll of the command repeats the latest report.
    reports.progress(CommandProgress("training", 0.5, "step 3"))
    assert [report["share"] for report in heard.reports] == [0.0, 0.25]
    assert heard.reports[-1]["state"] == "step 3"
    assert [step["state"] for step in heard.reports[-1]["steps"]] == ["running", "waiting"]
    # The command counts again from 0, which is no step back.
    reports.progress(CommandProgress("testing", 0.0, "step 3"))
    assert len(heard.reports) == 2

    record(tmp_path, train="done", search="running")
    reports.follow()
    # The training's last report says nothing of the search.
    reports.progress(CommandProgress("testing", 0.0, "step 3"))
    assert heard.reports[-1]["share"] == 0.5
    assert heard.reports[-1]["stage"] == "search"
    assert heard.reports[-1]["state"] == ""
    assert heard.reports[-1]["steps"][0]["result"] == "fine"
    assert len(heard.reports) == 3

    record(tmp_path, train="done", search="done")
    reports.follow()
    assert heard.reports[-1]["share"] == 1.0
