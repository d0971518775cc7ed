"""Export: onnxruntime computes what torch does, or nothing is written."""

import json
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
import torch
from torch import nn

from oneshot import export as exporting
from oneshot.errors import InvalidRun
from oneshot.export import OPSET, TOLERANCE, compare, export, metadata_of
from oneshot.run import Run
from spaces import Architecture, ChainSpace


@pytest.fixture(scope="module")
def run(small: ChainSpace, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A network with weights at random and statistics that are not those of the beginning."""
    settings = {
        "kind": "network",
        "space": small.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 0,
        "version": "1.2",
        "architecture": small.architecture([3, 0, 2]).to_dict(),
    }
    run = Run(tmp_path_factory.mktemp("network"), settings)
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
    assert json.loads(found["data"]) == run.settings["data"]
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


@pytest.mark.parametrize("difference", [1.0, float("nan")])
def test_nothing_is_left_where_the_check_fails(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, difference: float
) -> None:
    path = tmp_path / "network.onnx"
    monkeypatch.setattr(exporting, "_write", lambda model, shape, path, metadata: path.write_bytes(b"half"))
    monkeypatch.setattr(exporting, "compare", lambda model, shape, path: difference)
    with pytest.raises(InvalidRun, match="the exported model differs from torch by"):
        export(run, path)
    assert list(tmp_path.iterdir()) == []
    path.write_bytes(b"old")
    with pytest.raises(InvalidRun):
        export(run, path)
    assert [(file.name, file.read_bytes()) for file in tmp_path.iterdir()] == [("network.onnx", b"old")]


def test_a_training_that_is_not_done_has_no_export(run: Run, tmp_path: Path) -> None:
    with pytest.raises(InvalidRun, match="the training is not done"):
        export(Run(tmp_path, run.settings), tmp_path / "network.onnx")
    assert list(tmp_path.iterdir()) == []
