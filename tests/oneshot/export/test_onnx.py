"""Export: onnxruntime computes what torch does, or nothing is written."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

import spaces
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.export import onnx as exporting
from oneshot.export.comparison import TOLERANCE, compare
from oneshot.export.conversion import OPSET, operators, write_onnx
from oneshot.export.onnx import Export, export
from oneshot.run import Run
from oneshot.run_settings import RunSettings
from spaces import Architecture, ChainSpace


@pytest.fixture(scope="module")
def run(small: ChainSpace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network with weights at random and statistics that are not those of the beginning."""
    folder = tmp_path_factory.mktemp("network")
    settings = {
        "command": f"python -m oneshot retrain -o {folder}",
        "kind": "network",
        "space": small.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 0,
        "version": "1.2",
        "architecture": small.architecture([3, 0, 2]).to_dict(),
    }
    run = Run(folder, RunSettings.from_dict(settings))
    model = run.build()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                nn.init.kaiming_normal_(module.weight, generator=generator)
            elif isinstance(module, nn.BatchNorm2d):
                assert module.running_mean is not None
                assert module.running_var is not None
                module.running_mean.normal_(0, 0.2, generator=generator)
                module.running_var.uniform_(0.5, 2, generator=generator)
    run.save(model)
    return run


@pytest.fixture(scope="module")
def exported(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = export(run, tmp_path_factory.mktemp("onnx") / "deep" / "network.onnx")
    assert 0 <= found.difference <= TOLERANCE
    return found.path


def metadata_of(path: Path) -> dict[str, str]:
    """The metadata of an exported model."""
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    return dict(session.get_modelmeta().custom_metadata_map)


@pytest.mark.parametrize("batch", [1, 3, 7])
def test_logits_are_those_of_torch(run: Run, exported: Path, batch: int) -> None:
    session = onnxruntime.InferenceSession(str(exported), providers=["CPUExecutionProvider"])
    image = torch.randn(batch, 3, 16, 16, generator=torch.Generator().manual_seed(batch + 100))
    with torch.inference_mode():
        expected = run.load()(image).numpy()
    (found,) = session.run(["logits"], {"image": image.numpy()})
    assert np.asarray(found).shape == (batch, 10)
    assert np.allclose(np.asarray(found), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max())
    assert np.abs(expected).max() > 1e-3


def test_metadata_tells_what_it_is(run: Run, exported: Path) -> None:
    found = metadata_of(exported)
    assert Architecture.from_json(found["architecture"]) == run.architecture
    assert json.loads(found["data"]) == run.settings.data
    assert found["pathfit"] == "1.2"
    import onnx

    model = onnx.load(str(exported))
    assert {entry.version for entry in model.opset_import if not entry.domain} == {OPSET}
    assert [file.name for file in exported.parent.iterdir()] == ["network.onnx"]


def test_a_difference_is_seen(run: Run, exported: Path) -> None:
    shape = run.space.input_shape
    assert compare(run.load(), shape, exported) <= TOLERANCE
    other = run.load()
    with torch.no_grad():
        list(other.parameters())[-1].mul_(1.05)
    assert compare(other, shape, exported) > TOLERANCE


def test_a_network_whose_logits_are_zero_equals_its_export(tmp_path: Path) -> None:
    """Vision transformers begin with such a head; 0 / 0 is no difference."""
    head = nn.Linear(12, 4)
    nn.init.zeros_(head.weight)
    nn.init.zeros_(head.bias)
    model = nn.Sequential(nn.Flatten(), head).eval()
    path = tmp_path / "zeros.onnx"
    write_onnx(model, (3, 2, 2), path, {})
    assert compare(model, (3, 2, 2), path) == 0.0

    with torch.no_grad():
        head.bias[1] = 0.5
    assert compare(model, (3, 2, 2), path) == pytest.approx(1.0)


@pytest.mark.parametrize("difference", [1.0, float("nan")])
def test_nothing_is_left_where_the_check_fails(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: float
) -> None:
    path = tmp_path / "network.onnx"
    monkeypatch.setattr(
        exporting,
        "write_onnx",
        lambda model, shape, path, *rest, **named: path.write_bytes(b"half"),
    )
    monkeypatch.setattr(exporting, "compare", lambda model, shape, path, images: difference)
    with pytest.raises(InvalidRun, match="the exported model differs from torch by"):
        export(run, path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    with pytest.raises(InvalidRun):
        export(run, path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [
        ("network.onnx", b"old")
    ]


def test_a_training_that_is_not_done_has_no_export(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InvalidRun, match="the training is not done"):
        export(Run(tmp_path, run.settings), tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []


# Folding, opsets, metadata


@pytest.fixture(scope="module")
def folded(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = export(run, tmp_path_factory.mktemp("onnx") / "folded.onnx", opset=21, fold_bn=True)
    assert (found.opset, found.norms, found.images) == (21, 0, 16)
    return found.path


def logits(path: Path, image: torch.Tensor) -> Any:
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"]).run(
        None, {"image": image.numpy()}
    )[0]


def test_folded_normalisation_changes_no_output(run: Run, exported: Path, folded: Path) -> None:
    plain, fewer = operators(exported), operators(folded)
    norms = sum(isinstance(module, nn.BatchNorm2d) for module in run.build().modules())
    assert plain["BatchNormalization"] == norms > 0
    assert fewer["BatchNormalization"] == 0
    assert fewer["Conv"] == plain["Conv"]
    assert fewer.total() <= plain.total() - norms
    image = torch.randn(5, 3, 16, 16, generator=torch.Generator().manual_seed(4))
    expected = logits(exported, image)
    assert np.allclose(
        logits(folded, image), expected, rtol=1e-3, atol=1e-4 * np.abs(expected).max()
    )


def test_opset_is_the_one_that_is_asked_for(run: Run, folded: Path, tmp_path: Path) -> None:
    import onnx

    assert {entry.version for entry in onnx.load(str(folded)).opset_import if not entry.domain} == {
        21
    }
    for opset in (17, 24):
        with pytest.raises(InvalidOption, match=f"opset must be from 18 to 23, not {opset}"):
            export(run, tmp_path / "network.onnx", opset=opset)
    assert list(tmp_path.iterdir()) == []


def test_metadata_tells_classes_and_preprocessing(run: Run, exported: Path) -> None:
    found = metadata_of(exported)
    assert json.loads(found["classes"]) == list("0123456789")
    told = json.loads(found["preprocessing"])
    assert (told["layout"], told["input_shape"]) == ("NCHW", [3, 16, 16])
    colours = {
        "kind": "standard",
        "mean": [0.5] * 3,
        "deviation": [0.25] * 3,
        "colours": "RGB",
        "antialias": True,
    }
    recorded = Run(
        run.folder,
        dataclasses.replace(run.settings, classes=["no", "yes"], preprocessing=colours),
    )
    found = exporting.described(recorded, None)
    assert json.loads(found["classes"]) == ["no", "yes"]
    assert json.loads(found["preprocessing"]) == {
        **colours,
        "layout": "NCHW",
        "input_shape": [3, 16, 16],
    }


def test_real_images_are_compared_too(run: Run, exported: Path) -> None:
    """A model that differs far from random images alone is caught."""

    class Brighter(nn.Module):
        def __init__(self, inner: nn.Module):
            super().__init__()
            self.inner = inner

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            found: torch.Tensor = self.inner(x)
            return torch.where(x.mean() > 50, found + 1, found)

    model = Brighter(run.load()).eval()
    shape = run.input_shape
    assert compare(model, shape, exported) <= TOLERANCE
    assert compare(model, shape, exported, torch.full((2, *shape), 100.0)) > TOLERANCE


@pytest.fixture(scope="module")
def exported_elsewhere(run: Run, tmp_path_factory: pytest.TempPathFactory) -> Export:
    """An export of a network whose data set is not on this machine."""
    folder = tmp_path_factory.mktemp("elsewhere")
    data = {**run.settings.data, "name": f"cifar10:{folder}/pictures"}
    away = Run(run.folder, dataclasses.replace(run.settings, data=data))
    return export(away, folder / "network.onnx", fold_bn=True)


def test_a_network_is_exported_where_its_data_are_not(exported_elsewhere: Export) -> None:
    assert exported_elsewhere.images == 0
    assert dataclasses.asdict(exported_elsewhere)["norms"] == 0
    metadata = metadata_of(exported_elsewhere.path)
    assert json.loads(metadata["classes"]) == []


@pytest.mark.parametrize("fold_bn", [False, True])
def test_the_file_does_not_tell_its_makers_folders(
    run: Run, exported: Path, exported_elsewhere: Export, fold_bn: bool
) -> None:
    """Neither where the images are, nor where torch or Pathfit is installed, which torch's exporter
    writes down.
    """
    path = exported_elsewhere.path if fold_bn else exported
    name = "cifar10" if fold_bn else "digits"
    assert json.loads(metadata_of(path)["data"]) == {**run.settings.data, "name": name}

    content = path.read_bytes()
    for folder in (
        path.parent,
        Path(exporting.__file__).parents[2],
        Path(torch.__file__).parents[2],
        run.folder,
    ):
        assert str(folder).encode() not in content
    assert b".py" not in content


def test_cell_networks_are_folded_as_far_as_they_can(tmp_path: Path) -> None:
    """A normalisation behind a concatenation follows no convolution."""
    space = spaces.get("darts-tiny(channels=4, layers=3)")
    architecture = space.architecture(spaces.published("darts-v2").choices)
    settings = {
        "kind": "network",
        "space": space.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 0,
        "version": "1",
        "architecture": architecture.to_dict(),
    }
    run = Run(tmp_path / "run", RunSettings.from_dict(settings))
    network: Any = run.build()
    network.drop_path = 0.5  # of training alone
    run.save(network)
    found = export(run, tmp_path / "network.onnx", fold_bn=True)
    halves = [
        block for block in space.blocks(architecture) if block.operator == "factorized_reduce"
    ]
    assert found.norms == len(halves) > 0
