"""Commands for models that take a tuple or a dictionary, with data sets that yield them."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot.data import DataRequest, ImageData, StructuredSplit, register_data
from oneshot.data.registry import DATA
from oneshot.run import read_run
from spaces import LayerChoice
from spaces.registry import SPACES
from tests.oneshot.commands.running import done, run

CLASSES = 3
FEW = ("--images", "30", "--recalibration-batches", "2", "--recalibration-batch-size", "20")


class TwoTowers(nn.Module):
    """Classes of pairs of a query and a document."""

    def __init__(self) -> None:
        super().__init__()
        self.query = LayerChoice({"narrow": tower(6, 4), "wide": tower(6, 16)}, key="query")
        self.document = LayerChoice({"narrow": tower(10, 4), "wide": tower(10, 16)}, key="document")
        self.head = nn.Linear(16, CLASSES)

    def forward(self, query: Tensor, document: Tensor) -> Tensor:
        logits: Tensor = self.head(torch.cat([self.query(query), self.document(document)], 1))
        return logits


def tower(inputs: int, hidden: int) -> nn.Module:
    return nn.Sequential(
        nn.Linear(inputs, hidden), nn.BatchNorm1d(hidden), nn.ReLU(), nn.Linear(hidden, 8)
    )


class Masked(nn.Module):
    """Classes of sentences: tokens with a mask of those that are padding."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(20, 8)
        self.mix = LayerChoice({"linear": nn.Linear(8, 8), "deep": tower(8, 16)[::3]}, key="mix")
        self.head = nn.Linear(8, CLASSES)

    def forward(self, tokens: Tensor, mask: Tensor) -> Tensor:
        words = self.mix(self.embedding(tokens)) * mask[..., None]
        logits: Tensor = self.head(words.sum(1))
        return logits


def pairs(count: int, labels: Tensor, generator: torch.Generator) -> tuple[Tensor, Tensor]:
    """Return noise around a point of each class."""
    query = torch.randn(count, 6, generator=generator) + 2 * labels[:, None]
    return query, torch.randn(count, 10, generator=generator) - labels[:, None]


def sentences(count: int, labels: Tensor, generator: torch.Generator) -> dict[str, Tensor]:
    """Return tokens from a range of each class; the last one is padding."""
    tokens = torch.randint(6, (count, 5), generator=generator) + 6 * labels[:, None]
    mask = torch.ones(count, 5)
    mask[:, -1] = 0
    # The other order than that of the model's arguments.
    return {"mask": mask, "tokens": tokens}


EXAMPLES = {
    "pairs": (TwoTowers, (torch.zeros(1, 6), torch.zeros(1, 10))),
    "sentences": (
        Masked,
        {"tokens": torch.arange(18)[None, :5], "mask": torch.tensor([[1.0, 1, 1, 1, 0]])},
    ),
}


@pytest.fixture(autouse=True)
def plug_in() -> Iterator[None]:
    """A space and a data set of each name in EXAMPLES."""
    with SPACES.preserved(), DATA.preserved():
        for name, inputs_of in (("pairs", pairs), ("sentences", sentences)):
            register(name, inputs_of)
        yield


def register(name: str, inputs_of: Any) -> None:
    model, example = EXAMPLES[name]

    @spaces.register_space(name)
    def space(name: str, /) -> spaces.SearchSpace:
        return spaces.from_model(model(), example, name=name)

    @register_data(name)
    def data(request: DataRequest) -> ImageData:
        generator = torch.Generator().manual_seed(0)
        parts = {}
        for part, count in (("train", 60), ("validation", 30), ("test", 30)):
            labels = torch.arange(count) % CLASSES
            parts[part] = StructuredSplit(inputs_of(count, labels, generator), labels)
        return ImageData(
            request.name, **parts, num_classes=CLASSES, split_seed=0, digest=name, request=request
        )


@pytest.mark.parametrize("name", EXAMPLES)
def test_they_are_trained_evaluated_searched_retrained_and_exported(
    name: str, tmp_path: Path
) -> None:
    training = ("--data", name, "--batch-size", 20, "--learning-rate", 0.2, "--no-tensorboard")
    supernet = tmp_path / "supernet"
    done("train", "--space", name, *training, "--epochs", 30, "-o", supernet)
    scores = tmp_path / "scores.jsonl"
    done("evaluate", supernet, "-n", 2, *FEW, "-o", scores)
    found = tmp_path / "found.json"
    options = ("--strategy", "random", "--option", "evaluations=2")
    done("search", "--space", name, "--guide", f"supernet:{supernet}", *FEW, *options, "-o", found)
    network = tmp_path / "network"
    done("retrain", "--arch", found, *training, "--epochs", 30, "-o", network)
    onnx = tmp_path / "network.onnx"
    done("export", network, "-o", onnx)

    # Classes far apart: chance is 33%.
    rows = [json.loads(line) for line in scores.read_text().splitlines()]
    assert min(row["metrics"]["top1"] for row in rows) > 80
    report = json.loads((network / "test.json").read_text())
    assert report["top1"] > 80

    # The exported network computes what torch's does.
    session = onnxruntime.InferenceSession(str(onnx), providers=["CPUExecutionProvider"])
    labels = torch.arange(3)
    inputs_of = pairs if name == "pairs" else sentences
    inputs: Any = inputs_of(3, labels, torch.Generator().manual_seed(1))
    named = (
        inputs
        if isinstance(inputs, dict)
        else dict(zip(("query", "document"), inputs, strict=True))
    )
    (logits,) = session.run(None, {key: value.numpy() for key, value in named.items()})
    expected = read_run(network).load().eval()(inputs).detach().numpy()
    np.testing.assert_allclose(logits, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("algorithm", ["darts", "proxyless"])
def test_algorithms_that_search_take_them(algorithm: str, tmp_path: Path) -> None:
    training = ("--data", "sentences", "--batch-size", 20, "--epochs", 2, "--no-tensorboard")

    done("train", "--space", "sentences", "--algorithm", algorithm, *training, "-o", tmp_path)

    architecture = json.loads((tmp_path / "architecture.json").read_text())
    assert architecture["choices"]["mix"] in ("linear", "deep")


@pytest.mark.parametrize(
    ("space", "data", "fault"),
    [
        (
            "pairs",
            "sentences",
            r"are {mask: a tensor, tokens: a tensor}; .* pairs take \(a tensor,",
        ),
        ("spos-tiny", "pairs", r"are \(a tensor, a tensor\); .* of spos-tiny take a tensor"),
        (
            "sentences",
            "digits",
            r"digits has images; the networks take an input of the shape \(5,\)",
        ),
    ],
)
def test_data_of_another_structure_is_refused_before_work(
    space: str, data: str, fault: str, tmp_path: Path
) -> None:
    output = tmp_path / "run"

    result = run("train", "--space", space, "--data", data, "-o", output)

    assert result.exit_code == 2
    assert re.search(fault, result.stderr)
    assert not output.exists()


@pytest.mark.parametrize(
    ("option", "fault"),
    [
        (("--mixup", 0.2), "mixup is for images"),
        (("--cutout", 4), "cutout, colour_jitter and mosaic are"),
    ],
)
def test_regularisation_of_images_is_refused(
    option: tuple[str, float], fault: str, tmp_path: Path
) -> None:
    architecture = tmp_path / "architecture.json"
    architecture.write_text(next(spaces.get("pairs").enumerate()).to_json())
    output = tmp_path / "run"

    result = run("retrain", "--arch", architecture, "--data", "pairs", *option, "-o", output)

    assert result.exit_code == 2
    assert fault in result.stderr
    assert not output.exists()


def test_proxies_refuse_them(tmp_path: Path) -> None:
    output = tmp_path / "proxies.jsonl"

    result = run("proxies", "--space", "pairs", "--data", "pairs", "-o", output)

    assert result.exit_code == 2
    assert "proxies are measured with images" in result.stderr
    assert not output.exists()
