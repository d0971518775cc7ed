"""Exported detectors and segmenters against torch."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch

from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.export.onnx import Export, export
from oneshot.export.onnx_network import OnnxNetwork
from oneshot.retraining.report import report_on_test
from oneshot.run import Run
from oneshot.run_settings import RunSettings
from oneshot.tasks.detection.exported import ExportedDetector
from oneshot.tasks.detection.task import Detection
from spaces.registry import get

SMALL = "channels=(8, 16, 32), head_channels=16, repeats=(1, 1, 1), stem_channels=4"


def network(folder: Path, head: str, task: str, data: str) -> Run:
    """A run of a network with random weights, in the trained state of its statistics."""
    space = get(f"spos-tiny({SMALL}, input_size=32, head={head})")
    images = load(data, space.input_shape, limit=20)
    architecture = space.architecture([0] * len(space.choices))
    settings = RunSettings.from_dict(
        {
            "kind": "network",
            "space": space.name,
            "data": images.record(),
            "seed": 0,
            "task": task,
            "architecture": architecture.to_dict(),
            "classes": list(images.classes),
        }
    )
    run = Run(folder, settings)
    folder.mkdir()
    model = run.build()
    model.train()
    with torch.no_grad():
        for batch, _ in images.train.batches(10):
            model(batch)
        # Scores far from each other, so that objects are found at all.
        for parameter in model.parameters():
            if parameter.ndim == 4:
                parameter.mul_(3)
    run.save(model)
    return run


@pytest.fixture(scope="module")
def detector(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A detector with anchors."""
    folder = tmp_path_factory.mktemp("detectors") / "run"
    return network(folder, "ssdlite", "detection", "shapes")


@pytest.fixture(scope="module")
def files(detector: Run, tmp_path_factory: pytest.TempPathFactory) -> dict[bool, Export]:
    """The detector's files, whether raw or not."""
    folder = tmp_path_factory.mktemp("files")
    return {raw: export(detector, folder / f"{raw}.onnx", raw=raw) for raw in (False, True)}


@pytest.mark.parametrize("raw", [False, True])
def test_file_of_a_detector_has_the_metrics_of_torch(
    detector: Run, files: dict[bool, Export], raw: bool
) -> None:
    exported = files[raw]
    model = OnnxNetwork(exported.path)

    expected = report_on_test(detector.load(), detector.data(), task=detector.task)
    report = report_on_test(model, detector.data(), task=detector.task)

    assert exported.difference < 1e-3
    assert exported.images == 16
    names = ["scores", "offsets"] if raw else ["boxes", "scores", "labels"]
    assert model.outputs == names
    assert expected["map50"] > 0
    for name in ("map50", "map50_11point", "map"):
        assert report[name] == pytest.approx(expected[name], abs=0.05)


@pytest.mark.parametrize("count", [1, 5])
def test_found_objects_are_those_of_torch(
    detector: Run, files: dict[bool, Export], count: int
) -> None:
    path = files[False].path
    task = detector.task
    assert isinstance(task, Detection)
    images, _ = detector.data().test.tensors(range(count))

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    outputs = session.run(None, {"image": images.contiguous().numpy()})
    with torch.inference_mode():
        found = task.detections(detector.load()(images))

    for boxes, scores, labels, expected in zip(*outputs, found, strict=True):
        real = labels >= 0
        assert real.sum() == len(expected.scores) > 0
        assert not scores[~real].any()
        np.testing.assert_allclose(scores[real], expected.scores.numpy(), atol=1e-5)
        # Of a tie either box may come first, or stay alone.
        close = np.abs(boxes[real] - expected.boxes.numpy()).max(1) < 1e-3
        same = close & (labels[real] == expected.labels.numpy())
        assert same.mean() > 0.9


def test_comparison_sees_missing_objects_and_other_scores(detector: Run) -> None:
    task = detector.task
    assert isinstance(task, Detection)
    model = ExportedDetector(detector.load(), task)
    images, _ = detector.data().test.tensors(range(2))
    with torch.inference_mode():
        outputs = [value.numpy() for value in model(images).values()]

    boxes, scores, labels = outputs
    fewer = labels.copy()
    fewer[0, 0] = -1
    order = np.arange(scores.shape[1])[::-1]

    assert model.difference(outputs, outputs) == 0
    assert model.difference([boxes, scores, fewer], outputs) > 1e-3
    assert model.difference([boxes, scores + 0.01, labels], outputs) == pytest.approx(0.01)
    # In another order only scores differ.
    assert model.difference([boxes[:, order], scores, labels[:, order]], outputs) == 0


@pytest.mark.parametrize(("head", "task", "data"), [("mask", "segmentation", "shape-masks")])
def test_file_of_a_segmenter_has_the_metrics_of_torch(
    tmp_path: Path, head: str, task: str, data: str
) -> None:
    run = network(tmp_path / "run", head, task, data)
    export(run, tmp_path / "network.onnx")
    model = OnnxNetwork(tmp_path / "network.onnx")

    expected: dict[str, Any] = report_on_test(run.load(), run.data(), task=run.task)
    report = report_on_test(model, run.data(), task=run.task)

    assert report["miou"] == pytest.approx(expected["miou"], abs=1e-2)
    assert set(report["iou"]) == {"background", "square", "disc", "triangle"}
    with pytest.raises(InvalidOption, match="raw"):
        export(run, tmp_path / "raw.onnx", raw=True)
