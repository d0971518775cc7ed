"""Networks of users' own models are exported like those of published spaces."""

from pathlib import Path

import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot.errors import InvalidRun
from oneshot.export.comparison import TOLERANCE, compare
from oneshot.export.conversion import write_onnx
from oneshot.export.inputs import NetworkInputs
from profiler.backends.onnx_model import OnnxModelRunner
from spaces import LayerChoice, Repeat

SHAPE = (3, 8, 8)


def convolutions() -> LayerChoice:
    return LayerChoice([nn.Conv2d(4, 4, 3, padding=1), nn.Conv2d(4, 4, 1)])


def body(*layers: nn.Module) -> nn.Module:
    """A classifier of 5 classes with some layers in the middle."""
    head = nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 5)
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), *layers, *head)


@pytest.mark.parametrize(
    "layer",
    [
        Repeat(lambda index: convolutions(), (1, 2)),
        LayerChoice([nn.Sequential(convolutions(), nn.ReLU(inplace=True)), nn.Identity()]),
    ],
    ids=["repeat", "nested"],
)
def test_the_exported_network_computes_what_torch_does(layer: nn.Module, tmp_path: Path) -> None:
    space = spaces.from_model(body(layer), torch.zeros(1, *SHAPE))
    network = space.network(next(iter(space.enumerate()))).eval()

    write_onnx(network, SHAPE, tmp_path / "network.onnx", {})

    assert compare(network, SHAPE, tmp_path / "network.onnx") <= TOLERANCE


def test_a_network_that_cannot_be_converted_is_refused_with_the_reason(tmp_path: Path) -> None:
    class Unconvertible(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            raise ValueError("only batches of one image")

    with pytest.raises(InvalidRun, match=r"cannot be converted to ONNX: .*only batches of one"):
        write_onnx(Unconvertible(), SHAPE, tmp_path / "network.onnx", {})
    assert not list(tmp_path.iterdir())


class TwoTowers(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.query = LayerChoice([nn.Linear(6, 8), nn.Sequential(nn.Linear(6, 8), nn.ReLU())])
        self.document = nn.Embedding(20, 8)
        self.head = nn.Linear(8, 3)

    def forward(self, query: Tensor, tokens: Tensor, mask: Tensor) -> Tensor:
        weights = mask[..., None].float()
        document = (self.document(tokens) * weights).sum(1) / weights.sum(1)
        logits: Tensor = self.head(self.query(query) + document)
        return logits


@pytest.mark.parametrize("as_dict", [False, True])
def test_a_model_of_several_inputs_has_named_inputs(as_dict: bool, tmp_path: Path) -> None:
    path = tmp_path / "towers.onnx"
    mask = torch.tensor([[1, 1, 1, 0]])
    example = torch.randn(1, 6), torch.randint(20, (1, 4)), mask
    named = dict(zip(("query", "tokens", "mask"), example, strict=True))
    space = spaces.from_model(TwoTowers(), named if as_dict else example)
    for architecture in space.enumerate():
        network = space.network(architecture).eval()
        inputs = NetworkInputs.from_space(space, architecture)
        write_onnx(network, inputs, path, {})
        assert compare(network, inputs, path) <= TOLERANCE

    session = onnxruntime.InferenceSession(path)
    entries = {entry.name: (entry.shape[1:], entry.type) for entry in session.get_inputs()}
    assert entries == {
        "query": ([6], "tensor(float)"),
        "tokens": ([4], "tensor(int64)"),
        "mask": ([4], "tensor(int64)"),
    }
    batch = inputs.make(5)
    tensors = dict(zip(entries, batch.values() if as_dict else batch, strict=True))
    feed = {name: tensor.numpy() for name, tensor in tensors.items()}
    (logits,) = session.run(None, feed)
    torch.testing.assert_close(torch.from_numpy(logits), network(batch), atol=1e-5, rtol=1e-4)

    # An exported model is measured by its fixed shapes.
    runner = OnnxModelRunner(path, threads=1, batch=2)
    assert [spec.shape for spec in runner.inputs] == [(2, 6), (2, 4), (2, 4)]


def test_a_model_of_tokens_is_exported(tmp_path: Path) -> None:
    layers = LayerChoice([nn.Linear(8, 8), nn.Identity()])
    model = nn.Sequential(nn.Embedding(20, 8), layers, nn.Flatten(), nn.Linear(32, 3))
    space = spaces.from_model(model, torch.randint(20, (1, 4)))
    architecture = space.architecture([0])
    network = space.network(architecture).eval()
    inputs = NetworkInputs.from_space(space, architecture)
    write_onnx(network, inputs, tmp_path / "tokens.onnx", {})
    assert compare(network, inputs, tmp_path / "tokens.onnx") <= TOLERANCE


class ScoresAndBoxes(nn.Module):
    """Two outputs, as of a detector."""

    def __init__(self, shift: float = 0.0) -> None:
        super().__init__()
        self.scores = nn.Linear(6, 3)
        self.boxes = nn.Linear(6, 4)
        self.shift = shift

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return self.scores(x), self.boxes(x) + self.shift


def test_every_output_of_a_network_is_compared(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    network = ScoresAndBoxes().eval()

    write_onnx(network, (6,), path, {})

    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    assert [entry.name for entry in session.get_outputs()] == ["logits_0", "logits_1"]
    assert compare(network, (6,), path) <= TOLERANCE
    network.shift = 1.0
    assert compare(network, (6,), path) > 0.1


def test_model_that_makes_the_batch_size_a_constant_is_refused(tmp_path: Path) -> None:
    class Tokens(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.token = nn.Parameter(torch.zeros(1, 1, 6))

        def forward(self, x: Tensor) -> Tensor:
            tokens = torch.cat([self.token.expand(len(x), -1, -1), x[:, None]], 1)
            return tokens.sum(1)

    path = tmp_path / "network.onnx"
    network = Tokens().eval()
    write_onnx(network, (6,), path, {})

    with pytest.raises(InvalidRun, match=r"cannot run a batch of 1: .*x\.shape\[0\]"):
        compare(network, (6,), path)
