"""Runs of pipelines: what is skipped, resumed and repeated, and one run at a time in a folder."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

import pytest

from oneshot.pipeline.building import build_pipeline
from oneshot.pipeline.document import parse_document
from oneshot.pipeline.faults import FolderInUse, InvalidPipeline, StageFailed
from oneshot.pipeline.pipeline import Pipeline, Stage
from oneshot.pipeline.processes import StageStopped
from oneshot.pipeline.records import STATE, locked
from oneshot.pipeline.running import StageReport, run_pipeline

TEXT = """
space: spos-tiny
train: {epochs: 2}
evaluate: {n: 20}
predict: {encoder: gp}
search: {}
retrain: {epochs: 1}
export: {}
"""


class Run:
    """Runs a pipeline with commands that only write their outputs.

    Args:
        folder: Folder of the run.
    """

    def __init__(self, folder: Path):
        self.folder = folder
        self.text = TEXT
        self.executed: list[str] = []
        self.events: list[str] = []
        self.content = "1"
        self.fails_at = ""
        self.stops_at = ""

    def pipeline(self) -> Pipeline:
        return build_pipeline(parse_document(self.text, Path("p.yaml")), self.folder)

    def run(self, *only: str) -> list[StageReport]:
        self.executed.clear()
        self.events.clear()
        pipeline = self.pipeline()
        outputs = {stage.arguments: stage for stage in pipeline.stages}

        def execute(arguments: Sequence[str], lock: int) -> int:
            stage = outputs[tuple(arguments)]
            self.executed.append(stage.name)
            if stage.name == self.stops_at:
                raise StageStopped(2)
            if stage.name == self.fails_at:
                return 3
            for path in stage.outputs:
                path.parent.mkdir(parents=True, exist_ok=True)
                if path.suffix:
                    path.write_text(self.content)
                else:
                    path.mkdir(exist_ok=True)
                    (path / "run.json").write_text(self.content)
            return 0

        return run_pipeline(pipeline, self, only, execute)

    def changed(self, changed: Sequence[str], repeated: Sequence[str]) -> None:
        self.events.append(f"changed {','.join(changed)}; repeated {','.join(repeated)}")

    def begins(self, stage: Stage, position: int, count: int, resumes: bool) -> None:
        self.events.append(f"{'resumes' if resumes else 'begins'} {stage.name}")

    def skipped(self, stage: Stage, position: int, count: int) -> None:
        self.events.append(f"skipped {stage.name}")


ALL = ["train", "evaluate", "predict", "search", "retrain", "export"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path / "out")


def test_a_second_run_repeats_no_stage(run: Run) -> None:
    assert [report.name for report in run.run()] == ALL
    assert run.executed == ALL
    reports = run.run()
    assert run.executed == []
    assert [report.name for report in reports if report.was_done] == ALL


def test_an_edited_stage_runs_again_with_those_that_read_its_files(run: Run) -> None:
    run.run()
    run.text = TEXT.replace("encoder: gp", "encoder: gates")
    run.run()
    assert run.executed == ["predict", "search", "retrain", "export"]
    assert run.events[0] == "changed predict; repeated predict,search,retrain,export"


def test_stages_after_an_edited_one_run_again_after_an_interruption(run: Run) -> None:
    run.run()
    run.text = TEXT.replace("encoder: gp", "encoder: gates")
    run.stops_at = "search"
    with pytest.raises(StageStopped):
        run.run()
    run.stops_at = ""
    run.run()
    assert run.executed == ["search", "retrain", "export"]


def test_a_stage_that_was_added_runs_alone(run: Run) -> None:
    run.text = TEXT.replace("export: {}", "")
    run.run()
    run.text = TEXT
    run.run()
    assert run.executed == ["export"]


def test_a_failed_stage_is_resumed_from_its_files(run: Run) -> None:
    run.fails_at = "search"
    with pytest.raises(StageFailed, match="search failed with exit code 3: python -m oneshot"):
        run.run()
    (run.folder / "search.json.evaluations.jsonl").write_text("half")
    run.fails_at = ""
    run.run()
    assert run.executed == ["search", "retrain", "export"]
    assert "resumes search" in run.events
    assert (run.folder / "search.json.evaluations.jsonl").exists()


def test_files_of_other_settings_are_removed_before_a_stage_begins(run: Run) -> None:
    run.run()
    (run.folder / "search.json.evaluations.jsonl").write_text("half")
    run.text = TEXT.replace("search: {}", "search: {seed: 1}")
    run.fails_at = "search"
    with pytest.raises(StageFailed):
        run.run()
    assert not (run.folder / "search.json.evaluations.jsonl").exists()
    assert not (run.folder / "search.json").exists()


def test_a_stage_whose_output_is_missing_runs_again(run: Run) -> None:
    run.run()
    (run.folder / "export.onnx").unlink()
    run.run()
    assert run.executed == ["export"]


def test_a_changed_file_repeats_the_stages_that_read_it(run: Run) -> None:
    run.run()
    (run.folder / "search.json").write_text("edited by hand")
    run.run()
    assert run.executed == ["retrain", "export"]


def test_only_runs_the_named_stage(run: Run) -> None:
    run.run()
    run.text = TEXT.replace("search: {}", "search: {seed: 1}")
    run.run("search")
    assert run.executed == ["search"]


def test_only_is_refused_where_an_earlier_file_is_missing(run: Run) -> None:
    with pytest.raises(InvalidPipeline, match=r"predict.safetensors.* does not exist"):
        run.run("search")
    assert not run.folder.exists()


def test_only_is_refused_where_an_earlier_stage_has_changed(run: Run) -> None:
    run.run()
    run.text = TEXT.replace("encoder: gp", "encoder: gates")
    with pytest.raises(InvalidPipeline, match="predict has changed"):
        run.run("search")


def test_only_is_refused_for_a_stage_that_the_pipeline_lacks(run: Run) -> None:
    with pytest.raises(InvalidPipeline, match=r"no stage of this file.*did you mean 'search'"):
        run.run("serach")


def test_a_damaged_record_runs_all_stages_again(run: Run) -> None:
    run.run()
    (run.folder / STATE).write_text("{")
    run.run()
    assert run.executed == ALL


def test_the_record_has_commands_and_digests_of_inputs(run: Run) -> None:
    run.run()
    record = json.loads((run.folder / STATE).read_text())["stages"]["retrain"]
    assert record["arguments"][:2] == ["oneshot", "retrain"]
    assert len(record["inputs"][str(run.folder / "search.json")]) == 64
    assert record["status"] == "done"


def test_one_run_at_a_time_works_in_a_folder(run: Run) -> None:
    with locked(run.folder), pytest.raises(FolderInUse, match="another run works in"):
        run.run()
    assert [report.name for report in run.run()] == ALL
