"""Export to runtimes other than onnxruntime: files, their check, and what is refused."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from click.testing import CliRunner, Result

from oneshot.commands import main
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.evaluator import quality
from oneshot.export.runtime import export_to
from oneshot.export.targets.base import ExportSource, FileNetwork, write_metadata
from oneshot.export.targets.openvino import OpenVinoTarget
from oneshot.export.targets.registry import TARGETS
from oneshot.retraining.network_training import train_network
from oneshot.run import Run, begin
from oneshot.run_settings import RunSettings
from oneshot.training.recipe import Recipe
from spaces.errors import InvalidFile, UnknownName

# Without channel shuffles, which OpenVINO cannot compile in int8.
SPACE = "nasbench-macro(input_size=16)"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network that has seen digits."""
    import spaces

    space = spaces.get(SPACE)
    settings = RunSettings.from_dict(
        {
            "kind": "network",
            "space": space.name,
            "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
            "seed": 0,
            "architecture": space.architecture([1] * len(space.choices)).to_dict(),
        }
    )
    recipe = Recipe(epochs=2, batch_size=64, learning_rate=0.1)
    folder = tmp_path_factory.mktemp("run") / "network"
    trained = begin(folder, dataclasses.replace(settings, recipe=recipe), resume=False)
    train_network(trained)
    return trained


class PlainTarget:
    """Weights as torch stores them, for tests of what all targets have in common."""

    name = "plain"
    precisions = ("fp32", "int8")
    suffixes = (".plain", ".json")

    factor = 1.0

    def write(self, source: ExportSource, precision: str, path: Path) -> None:
        assert bool(source.calibration) == (precision == "int8")
        PlainTarget.network = source.network
        path.write_text("weights")
        write_metadata(source.metadata, path.with_suffix(".json"))

    def load(self, path: Path) -> FileNetwork:
        def outputs(images: np.ndarray) -> np.ndarray:
            assert len(images) == 1
            with torch.inference_mode():
                output: np.ndarray = PlainTarget.network(torch.from_numpy(images)).numpy()
            return output * self.factor

        return FileNetwork(outputs, batch=1)

    network: torch.nn.Module


def command(run: Run, *options: str) -> Result:
    return CliRunner().invoke(main, ["export", str(run.folder), *options])


def test_files_are_compared_and_describe_themselves(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "deep" / "network.plain"
    with TARGETS.preserved():
        TARGETS.register("plain")(PlainTarget)
        exported = export_to(run, path, "plain")

    assert exported.files == (path, path.with_suffix(".json"))
    assert sorted(path.parent.iterdir()) == sorted(exported.files)
    assert exported.size == sum(file.stat().st_size for file in exported.files)
    assert exported.difference < 1e-6
    assert exported.images == 16
    assert exported.accuracy is None

    metadata = json.loads(exported.files[1].read_text())
    assert metadata["precision"] == "fp32"
    assert json.loads(metadata["preprocessing"])["input_shape"] == [3, 16, 16]
    assert json.loads(metadata["data"])["name"] == "digits"


def test_files_that_differ_leave_earlier_ones(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "network.plain"
    path.write_text("earlier")
    monkeypatch.setattr(PlainTarget, "factor", 1.01)

    with TARGETS.preserved():
        TARGETS.register("plain")(PlainTarget)
        with pytest.raises(InvalidRun, match=r"differ from torch by 0\.0"):
            export_to(run, path, "plain")

    assert path.read_text() == "earlier"
    assert list(tmp_path.iterdir()) == [path]


def test_larger_loss_than_accepted_is_refused(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # All classes are reversed.
    monkeypatch.setattr(PlainTarget, "factor", -1.0)

    with TARGETS.preserved():
        TARGETS.register("plain")(PlainTarget)
        accuracy = export_to(run, tmp_path / "a.plain", "plain", precision="int8").accuracy
        with pytest.raises(InvalidRun, match="max_drop: in int8 top-1 falls from"):
            export_to(run, tmp_path / "b.plain", "plain", precision="int8", max_drop=1.0)

    assert accuracy is not None
    assert accuracy.torch == pytest.approx(quality(run.load(), run.data().validation)["top1"])
    assert accuracy.files < 10 < accuracy.torch
    assert accuracy.drop == pytest.approx(accuracy.torch - accuracy.files)
    assert not (tmp_path / "b.plain").exists()


def test_openvino_files_run_as_torch_does(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("openvino")
    path = tmp_path / "network.xml"

    result = command(run, "--to", "openvino", "-o", str(path))

    assert result.exit_code == 0, result.output
    assert f"wrote {path}, {path.with_suffix('.bin')} (openvino, fp32" in result.output
    assert "on 16 validation images and random ones" in result.output
    images, _ = run.data().validation.tensors(range(5))
    with torch.inference_mode():
        expected = run.load()(images)
    target = OpenVinoTarget()
    assert torch.allclose(target.load(path)(images), expected, rtol=1e-3, atol=1e-3)
    assert json.loads(target.metadata(path)["architecture"])["space"] == run.space.name


def test_openvino_in_int8_has_its_accuracy(run: Run, tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason="int8 needs nncf: pip install 'pathfit[openvino]'")
    exact = export_to(run, tmp_path / "fp32.xml", "openvino")
    path = tmp_path / "int8.xml"

    result = command(run, "--to", "openvino", "--precision", "int8", "-o", str(path))

    assert result.exit_code == 0, result.output
    int8 = quality(OpenVinoTarget().load(path), run.data().validation)["top1"]
    assert f"int8 {int8:.2f}" in result.output
    fp32 = quality(run.load(), run.data().validation)["top1"]
    assert abs(fp32 - int8) < 10
    # Weights of a byte instead of four.
    assert path.with_suffix(".bin").stat().st_size < 0.5 * exact.size


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "package", "suffix", "precision"),
    [
        ("executorch", "executorch", ".pte", "fp32"),
        ("litert", "litert_torch", ".tflite", "fp32"),
        ("litert", "litert_torch", ".tflite", "int8"),
        ("ncnn", "ncnn", ".param", "fp32"),
        ("ncnn", "ncnn", ".param", "fp16"),
    ],
)
def test_other_runtimes_run_as_torch_does(
    run: Run, tmp_path: Path, name: str, package: str, suffix: str, precision: str
) -> None:
    pytest.importorskip(package, reason=f"needs {package}: pip install 'pathfit[{name}]'")

    exported = export_to(run, tmp_path / f"network{suffix}", name, precision=precision)

    assert all(file.is_file() for file in exported.files)
    assert exported.images == 16
    if precision == "fp32":
        assert exported.difference < 1e-3
    else:
        assert exported.accuracy is not None
        assert abs(exported.accuracy.drop) < 10


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--to", "openvino", "-o", "network.onnx"), "a file of openvino ends in .xml, such as"),
        (("--to", "openvino", "--raw", "-o", "n.xml"), "--raw is for --to onnx; leave it out"),
        (("--to", "ncnn", "--opset", "18", "-o", "n.param"), "--opset is for --to onnx"),
        (
            ("--to", "ncnn", "--precision", "int8", "-o", "n.param"),
            "precision: files of ncnn are written in fp32, fp16, not in int8",
        ),
        (("--precision", "fp16", "-o", "n.onnx"), "ONNX files are written in fp32 and int8"),
    ],
)
def test_options_that_a_target_lacks_are_refused(
    run: Run, options: tuple[str, ...], reason: str
) -> None:
    result = command(run, *options)

    assert result.exit_code == 2
    assert reason in " ".join(result.output.split())


def test_unknown_target_is_named(run: Run, tmp_path: Path) -> None:
    with pytest.raises(UnknownName, match="unknown export target 'tensorflow'; available: exec"):
        export_to(run, tmp_path / "network.pb", "tensorflow")


def test_detectors_are_refused(run: Run, tmp_path: Path) -> None:
    import spaces

    space = spaces.get("spos-tiny(head=ssdlite, input_size=64)")
    architecture = space.architecture([0] * len(space.choices))
    settings = dataclasses.replace(
        run.settings, space=space.name, task="detection", architecture=architecture
    )

    with pytest.raises(InvalidOption, match="for the task detection; use --to onnx"):
        export_to(Run(run.folder, settings), tmp_path / "n.xml", "openvino")


def test_folder_that_cannot_be_written_is_named(run: Run, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with TARGETS.preserved():
        TARGETS.register("plain")(PlainTarget)
        with pytest.raises(InvalidFile, match=r"cannot write .*network\.plain"):
            export_to(run, tmp_path / "file" / "network.plain", "plain")
