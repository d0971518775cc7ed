"""Export in int8: what onnxruntime predicts is what the perturbation predicts."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from click.testing import CliRunner
from torch import Tensor, nn

from oneshot.commands import main
from oneshot.data.images import ImageData
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.calibration import calibration_batches
from oneshot.evaluation.evaluator import quality
from oneshot.export.int8 import Int8Export, export_int8
from oneshot.export.onnx_network import OnnxNetwork
from oneshot.perturbations.registry import PERTURBATIONS
from oneshot.retraining.network_training import train_network
from oneshot.run import Run, begin
from oneshot.run_settings import RunSettings
from oneshot.training.recipe import Recipe
from spaces import ChainSpace


@pytest.fixture(scope="module")
def run(small: ChainSpace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network that has learned digits, trained in floats."""
    folder = tmp_path_factory.mktemp("run") / "network"
    settings = RunSettings.from_dict(
        {
            "kind": "network",
            "space": small.name,
            "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
            "seed": 0,
            "architecture": small.architecture([0, 1, 2]).to_dict(),
        }
    )
    recipe = Recipe(epochs=12, batch_size=64, learning_rate=0.1)
    trained = begin(folder, dataclasses.replace(settings, recipe=recipe), resume=False)
    train_network(trained)
    return trained


@pytest.fixture(scope="module")
def data(run: Run) -> ImageData:
    return run.data()


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Int8Export:
    path = tmp_path_factory.mktemp("onnx") / "deep" / "int8.onnx"
    return export_int8(run, path, max_drop=5.0)


def test_accuracies_are_those_of_both_files(
    run: Run, data: ImageData, exported: Int8Export
) -> None:
    fp32 = quality(run.load(), data.validation)["top1"]
    int8 = quality(OnnxNetwork(exported.path), data.validation)["top1"]

    assert fp32 > 70
    # A single image on the border between two classes may fall to the other side.
    assert exported.fp32 == pytest.approx(fp32, abs=0.3)
    assert exported.int8 == pytest.approx(int8)
    assert exported.drop == pytest.approx(exported.fp32 - exported.int8)
    assert exported.images == len(data.validation)
    assert exported.integer_operators > 10


def test_classes_are_those_of_the_perturbation(
    run: Run, data: ImageData, exported: Int8Export
) -> None:
    images, _ = data.test.tensors()
    model = run.load()

    predicted = OnnxNetwork(exported.path, exact_session(exported.path))(images).argmax(1)
    disturbed = classes_under_int8(model, data, images)

    assert (predicted == disturbed).double().mean() >= 0.98


def exact_session(path: Path) -> Any:
    """Sums as the file says: integer kernels saturate on processors without VNNI."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"])


def classes_under_int8(model: nn.Module, data: ImageData, images: Tensor) -> Tensor:
    batches = calibration_batches(data.train)
    perturbation = PERTURBATIONS.make("int8").calibrated(model, batches, model)
    with (
        torch.no_grad(),
        perturbation.around(model, images, torch.sum, torch.Generator()) as inputs,
    ):
        classes: Tensor = model(inputs).argmax(1)
    return classes


def test_file_describes_itself(exported: Int8Export) -> None:
    metadata = OnnxNetwork(exported.path).metadata

    assert metadata["precision"] == "int8"
    assert json.loads(metadata["calibration"])["images"] == exported.calibration_images == 500
    assert json.loads(metadata["preprocessing"])["input_shape"] == [3, 16, 16]
    assert json.loads(metadata["data"])["name"] == "digits"


def test_file_is_a_quarter_of_the_weights(run: Run, exported: Int8Export) -> None:
    import onnx

    stored = onnx.load(exported.path).graph.initializer
    types = {tensor.name: tensor.data_type for tensor in stored if len(tensor.dims) == 4}

    assert types
    assert set(types.values()) == {onnx.TensorProto.INT8}


def test_larger_loss_is_refused_and_the_file_kept(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "int8.onnx"
    path.write_text("earlier")

    with pytest.raises(InvalidRun, match=r"max_drop: in int8 top-1 falls from .* validation"):
        export_int8(run, path, max_drop=-100.0)

    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_run_without_its_images_is_refused(run: Run, tmp_path: Path) -> None:
    settings = dataclasses.replace(
        run.settings, data={**run.settings.data, "name": str(tmp_path / "missing")}
    )

    with pytest.raises(InvalidOption, match="precision: int8 is calibrated on training images"):
        export_int8(Run(run.folder, settings), tmp_path / "int8.onnx")


def test_command_prints_both_accuracies(
    run: Run, exported: Int8Export, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    requested: list[Any] = []

    def export_once(run: Run, path: Path, **options: Any) -> Int8Export:
        requested.append((path, options))
        return exported

    monkeypatch.setattr("oneshot.export.int8.export_int8", export_once)
    path = tmp_path / "int8.onnx"
    options = ("--precision", "int8", "--max-drop", "1.5", "-o", str(path))

    result = CliRunner().invoke(main, ["export", str(run.folder), *options])

    assert result.exit_code == 0, result.output
    assert requested == [(path, {"opset": 18, "max_drop": 1.5})]
    assert (
        f"top-1 under onnxruntime on 397 validation images: fp32 {exported.fp32:.2f}, int8"
        f" {exported.int8:.2f}"
    ) in result.output


def test_exported_file_is_tested(exported: Int8Export, data: ImageData) -> None:
    result = CliRunner().invoke(main, ["test", str(exported.path)])

    top1 = quality(OnnxNetwork(exported.path), data.test)["top1"]
    assert result.exit_code == 0, result.output
    assert f"top-1 {top1:.2f}" in result.output


def test_drop_in_floats_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "fp32.onnx"

    result = CliRunner().invoke(
        main, ["export", str(run.folder), "--max-drop", "1", "-o", str(path)]
    )

    assert result.exit_code == 2
    assert "max_drop is for --precision int8" in result.output
    assert not path.exists()
