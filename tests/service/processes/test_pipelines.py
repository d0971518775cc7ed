"""Pipelines at a real service: to their end, cancelled, and with a worker killed in the middle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.waiting import within

# Without measurements, whose figures differ from run to run. The training has several checkpoints.
PIPELINE = """
space: spos-tiny
data: digits
seed: 5
train: {steps: 40, batch-size: 16, limit: 200, checkpoint-every: 5, tensorboard: false}
evaluate: {n: 16, images: 40, recalibration-batches: 1, recalibration-batch-size: 40}
predict: {encoder: gp, train: 10}
search: {strategy: random, option: {evaluations: 20}, constraint: latency_ms<=50@made-up}
"""

STAGES = ["train", "evaluate", "predict", "search"]

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(not Path("/proc").is_dir(), reason="processes are found in /proc"),
]


def running(handle: Any) -> str:
    """The stage that runs, once one does."""
    return str((handle.status().details or {}).get("stage", ""))


def results(handle: Any) -> dict[str, Any]:
    """What the stages wrote, without the time they took."""
    found = json.loads(handle.file("search.json"))
    return {
        "weights": handle.file("train-weights.safetensors"),
        "evaluations": handle.file("evaluate.jsonl"),
        "predictor": handle.file("predict.safetensors"),
        "best": found["best"],
        "candidates": found["candidates"],
    }


@pytest.fixture(scope="module")
def served(
    world: Any, served_class: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Any]:
    """A service of their own: pipelines add predictors, among which others could not choose."""
    service = served_class(world, tmp_path_factory.mktemp("pipelines"))
    try:
        service.client.search(space="spos-tiny", options={"generations": 1}).wait(400)
        yield service
    finally:
        service.end()


@pytest.fixture(scope="module")
def undisturbed(served: Any) -> dict[str, Any]:
    handle = served.client.run_pipeline(PIPELINE, "undisturbed")
    seen = []
    result = handle.wait(400, lambda now: seen.append((now.fraction, now.stage)))
    assert [stage["name"] for stage in result["stages"]] == STAGES
    assert all(stage["state"] == "done" and stage["result"] for stage in result["stages"])
    # Each stage was seen, in order, and the fraction never fell.
    assert [name for name in dict.fromkeys(stage for _, stage in seen) if name] == STAGES
    fractions = [fraction for fraction, _ in seen]
    assert fractions == sorted(fractions)
    return results(handle)


def test_files_of_a_pipeline_join_the_catalog(
    served: Any, undisturbed: dict[str, Any], tmp_path: Path
) -> None:
    client = served.client
    assert "undisturbed" in [guide.name for guide in client.predictors()]
    # A second pipeline names what the first one has added.
    text = """
space: spos-tiny
evaluate: undisturbed
predict: {encoder: gp, train: 10}
search: {guide: 'predictor:undisturbed', strategy: random, option: {evaluations: 5}}
"""
    handle = client.run_pipeline(text, "second")
    handle.wait(400)
    paths = handle.download(tmp_path / "files")
    assert [path.name for path in paths] == ["predict.safetensors", "predict.json", "search.json"]
    for path in paths:
        assert str(served.data).encode() not in path.read_bytes()


@pytest.mark.parametrize("stage", ["train", "evaluate"])
def test_a_pipeline_whose_worker_is_killed_ends_with_the_same_result(
    served: Any, undisturbed: dict[str, Any], stage: str
) -> None:
    handle = served.client.run_pipeline(PIPELINE, f"killed-{stage}")
    assert within(200, lambda: running(handle) == stage)
    if stage == "train":
        kept = served.data / "results" / handle.id / "1" / "kept-train.tar"
        assert within(60, kept.exists)
    (worker,) = served.workers()
    os.kill(worker, signal.SIGKILL)
    handle.wait(400)
    status = handle.status()
    assert status.attempt == 2
    assert results(handle) == undisturbed
    # Nothing of the first attempt lives on.
    assert within(10, lambda: len(served.named("service.pipelines.program")) == 0)


def test_a_pipeline_whose_stage_is_killed_ends_with_the_same_result(
    served: Any, undisturbed: dict[str, Any]
) -> None:
    handle = served.client.run_pipeline(PIPELINE, "killed-stage")
    assert within(200, lambda: running(handle) == "evaluate")
    assert within(20, lambda: len(served.named("oneshot evaluate")) > 0)
    os.kill(served.named("oneshot evaluate")[0], signal.SIGKILL)
    handle.wait(400)
    assert handle.status().attempt == 2
    assert results(handle) == undisturbed


def test_cancelling_ends_every_process_of_a_pipeline(served: Any) -> None:
    text = PIPELINE.replace("steps: 40", "steps: 100000")
    handle = served.client.run_pipeline(text, "cancelled")
    assert within(200, lambda: running(handle) == "train")
    assert within(30, lambda: len(served.named("oneshot train")) > 0)
    assert handle.cancel().state == "cancelled"
    left = ("service.pipelines.program", "oneshot train")
    assert within(10, lambda: not any(served.named(part) for part in left))
    assert handle.status().state == "cancelled"


def test_a_failing_stage_names_itself_and_its_reason(served: Any) -> None:
    # The predictor would be tested on fewer networks than it needs.
    text = PIPELINE.replace("n: 16", "n: 12")
    handle = served.client.run_pipeline(text, "failing")
    with pytest.raises(Exception, match=r"the stage predict failed: .*fewer than 5 to test on"):
        handle.wait(400)
    steps = {step["name"]: step["state"] for step in handle.status().details["steps"]}
    assert steps["evaluate"] == "done"
    assert steps["search"] == "waiting"
