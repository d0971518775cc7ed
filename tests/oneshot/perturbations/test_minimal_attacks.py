"""Minimal-distance attacks: closed forms of linear models, exhaustive search, bounds, reports."""

import json
from pathlib import Path

import onnx
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper
from torch import Tensor, nn

from oneshot.data.images import ImageData, ImageSplit
from oneshot.errors import InvalidOption
from oneshot.export.onnx_network import OnnxNetwork
from oneshot.perturbations import Conditions
from oneshot.perturbations.minimal.attack import MinimalAttack, length
from oneshot.perturbations.minimal.registry import ATTACKS
from oneshot.perturbations.minimal.report import attack_on_test, in_words, summary
from oneshot.retraining.report import report_on_test
from oneshot.run import Run, write_settings
from oneshot.run_settings import RunSettings
from spaces import ChainSpace
from tests.oneshot.commands.running import done

# Norm of the distance -> that of the weights, by which a margin is divided.
DUAL = {"l2": 2.0, "linf": 1.0}

# The least and greatest distance that an attack may find, in distances to the border.
TOLERANCES = {
    "bim": (1.0, 1.02),
    "bim(norm='l2')": (1.0, 1.02),
    "deepfool": (1.019, 1.021),
    "deepfool(norm='linf')": (1.019, 1.021),
    "carlini-wagner(steps=200, searches=10)": (1.0, 1.05),
}
QUICK = ["bim(steps=2, bisections=3)", "deepfool(steps=5)", "carlini-wagner(steps=5, searches=2)"]


def make(text: str) -> MinimalAttack:
    attack: MinimalAttack = ATTACKS.make(text)
    return attack


def linear(classes: int, seed: int = 0) -> tuple[nn.Sequential, Tensor, Tensor]:
    """A linear model, grey images that it classifies by small margins, and their classes."""
    generator = torch.Generator().manual_seed(seed)
    pixels = 0.5 + 0.1 * (torch.rand(6, 3, 4, 4, generator=generator) - 0.5)
    layer = nn.Linear(48, classes)
    layer.weight.data = torch.randn(classes, 48, generator=generator)
    layer.bias.data = -(layer.weight.data.sum(1)) / 2
    model = nn.Sequential(nn.Flatten(), layer)
    return model, pixels, model(pixels).argmax(1)


def border_distance(model: nn.Sequential, pixels: Tensor, labels: Tensor, norm: str) -> Tensor:
    """The distance [n] of images from the nearest border of a linear model: |w x + b| / |w|*."""
    layer = model[1]
    assert isinstance(layer, nn.Linear)
    weight = layer.weight.detach()
    scores: Tensor = model(pixels).detach()
    gaps = scores.gather(1, labels[:, None]) - scores
    slopes = (weight[labels][:, None] - weight).norm(DUAL[norm], dim=2)
    nearest: Tensor = (gaps / slopes).masked_fill(slopes == 0, torch.inf).amin(1)
    return nearest


@pytest.mark.parametrize(("text", "tolerance"), TOLERANCES.items())
def test_linear_model_is_deceived_at_its_border(text: str, tolerance: tuple[float, float]) -> None:
    model, pixels, labels = linear(classes=2)
    attack = make(text)

    distances = attack.distances(model, pixels, labels)

    ratios = distances / border_distance(model, pixels, labels, attack.norm)
    assert tolerance[0] - 1e-3 <= ratios.min()
    assert ratios.max() <= tolerance[1]


@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_deepfool_takes_the_nearest_of_several_borders(norm: str) -> None:
    model, pixels, labels = linear(classes=7)

    distances = make(f"deepfool(norm={norm!r})").distances(model, pixels, labels)

    expected = 1.02 * border_distance(model, pixels, labels, norm)
    torch.testing.assert_close(distances, expected, rtol=1e-3, atol=1e-5)


def curved() -> nn.Sequential:
    """A network of two pixels with curved borders between three classes."""
    torch.manual_seed(4)
    first = nn.Linear(2, 8)
    last = nn.Linear(8, 3)
    network = nn.Sequential(nn.Flatten(), first, nn.Tanh(), last)
    with torch.no_grad():
        first.weight.mul_(6)
        first.bias.sub_(first.weight.sum(1) / 2)
        last.bias.sub_(network(torch.rand(500, 1, 1, 2)).mean(0))
    return network


@pytest.mark.parametrize("text", ["bim(norm='l2', steps=20)", "deepfool", "carlini-wagner"])
def test_no_attack_finds_less_than_an_exhaustive_search(text: str) -> None:
    network = curved()
    pixels = torch.tensor([[0.4, 0.5], [0.6, 0.6], [0.5, 0.3]]).view(3, 1, 1, 2)
    labels = network(pixels).argmax(1)

    distances = make(text).distances(network, pixels, labels)

    axis = torch.linspace(0, 1, 501)
    grid = torch.cartesian_prod(axis, axis).view(-1, 1, 1, 2)
    classes = network(grid).argmax(1)
    for image, label, distance in zip(pixels, labels, distances, strict=True):
        least = length(grid[classes != label] - image, "l2").min()
        # The grid's points are at most half a diagonal of .002 from any other point.
        assert least - 0.0015 <= distance <= 1.25 * least + 0.0015


@given(seed=st.integers(0, 10**6), text=st.sampled_from(QUICK))
@settings(max_examples=20, deadline=None)
def test_attacked_images_stay_valid(seed: int, text: str) -> None:
    generator = torch.Generator().manual_seed(seed)
    # Black and white pixels are at the ends of the range.
    pixels = torch.randint(0, 3, (4, 3, 4, 4), generator=generator) / 2
    model = small_network()
    labels = model(pixels).argmax(1)

    attacked = make(text).attacked(model, pixels, labels)

    assert attacked.min() >= 0
    assert attacked.max() <= 1
    assert not attacked.isnan().any()


def small_network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(16, 5)
    ).eval()


@pytest.mark.parametrize("text", QUICK)
def test_weights_have_no_gradients_from_an_attack(text: str) -> None:
    model = small_network()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    pixels = torch.rand(4, 3, 4, 4)

    make(text).distances(model, pixels, model(pixels).argmax(1))

    assert all(value.grad is None for value in model.parameters())
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("text", QUICK)
def test_misclassified_images_have_no_distance_and_failures_an_infinite_one(text: str) -> None:
    pixels = torch.rand(3, 3, 4, 4)

    def scores_of(images: Tensor) -> Tensor:
        # Always class 0, whatever the image.
        return images.flatten(1)[:, :2] * 0 + torch.tensor([1.0, 0.0])

    distances = make(text).distances(scores_of, pixels, torch.tensor([0, 1, 0]))

    assert distances.tolist() == [torch.inf, 0, torch.inf]


def test_summary_counts_failures_as_the_largest_distance() -> None:
    report = summary(make("deepfool"), torch.tensor([0.0, 1.0, 3.0, torch.inf]))

    assert (report["mean"], report["median"]) == (1.75, 2.0)
    assert (report["failures"], report["misclassified"], report["images"]) == (1, 1, 4)
    low, high = report["mean_interval"]
    assert (low + high) / 2 == pytest.approx(1.75)
    assert high - low == pytest.approx(2 * 1.96 * 1.299 / 2, rel=1e-3)


def test_summary_of_failures_alone_has_no_mean() -> None:
    report = summary(make("bim"), torch.tensor([torch.inf, torch.inf]))

    assert report["mean"] is None
    assert "no image was deceived" in in_words("bim", report)


@pytest.mark.parametrize(
    "text",
    [
        "bim(norm='l1')",
        "bim(steps=0)",
        "bim(bisections=0)",
        "deepfool(overshoot=0)",
        "carlini-wagner(rate=0)",
        "carlini-wagner(confidence=-1)",
    ],
)
def test_wrong_options_are_refused(text: str) -> None:
    with pytest.raises(InvalidOption, match=r"attack [\w-]+: \w+ must be"):
        make(text)


def made_up(images: Tensor, labels: Tensor) -> ImageData:
    split = ImageSplit.from_tensors(images, labels)
    return ImageData("made-up", split, split, split, 2, 0)


@pytest.fixture
def refused() -> dict[str, tuple[nn.Module, ImageData]]:
    """What cannot be attacked, by a word of the message."""
    images = torch.rand(4, 3, 4, 4)
    labels = torch.zeros(4, dtype=torch.int64)

    class Frozen(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return x.detach().flatten(1)[:, :2]

    return {
        "gradients": (Frozen(), made_up(images, labels)),
        "one class": (nn.Flatten(), made_up(images, torch.zeros(4, 2))),
    }


@pytest.mark.parametrize("word", ["gradients", "one class"])
def test_what_cannot_be_attacked_is_refused(
    refused: dict[str, tuple[nn.Module, ImageData]], word: str
) -> None:
    model, images = refused[word]

    with pytest.raises(InvalidOption, match=f"--attack .*{word}"):
        attack_on_test(model, images, ["deepfool"], 4)


def test_onnx_file_is_refused_in_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "network.onnx"
    flatten = helper.make_node("Flatten", ["image"], ["scores"])
    tensors = {"image": ("b", 3, 4, 4), "scores": ("b", 48)}
    image, scores = (
        helper.make_tensor_value_info(name, TensorProto.FLOAT, shape)
        for name, shape in tensors.items()
    )
    graph = helper.make_graph([flatten], "flatten", [image], [scores])
    opset = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opset, ir_version=9), path)
    images = made_up(torch.rand(4, 3, 4, 4), torch.zeros(4, dtype=torch.int64))

    with pytest.raises(InvalidOption, match="gradients of the network, which an ONNX file does"):
        attack_on_test(OnnxNetwork(path), images, ["deepfool"], 4)
    with pytest.raises(InvalidOption, match="under fgsm: needs the gradients"):
        report_on_test(OnnxNetwork(path), images, conditions=Conditions.parse(["fgsm=1"]))


@pytest.fixture
def network(small: ChainSpace, tmp_path: Path) -> Run:
    """A network for digits with weights at random."""
    values = {
        "kind": "network",
        "space": small.name,
        "data": {"name": "digits", "split_seed": 0, "num_classes": 10},
        "seed": 5,
        "architecture": small.architecture([0, 1, 2]).to_dict(),
    }
    run = Run(tmp_path / "network", RunSettings.from_dict(values))
    write_settings(run.folder, run.settings)
    run.save(run.build())
    return run


def test_command_reports_distances(network: Run, tmp_path: Path) -> None:
    path = tmp_path / "report.json"

    printed = done(
        "test", network.folder, "--attack", "deepfool(steps=3)", "--attack-images", 9, "-o", path
    )

    (report,) = json.loads(path.read_text())["attacks"].values()
    assert report["images"] == 9
    assert "deepfool(steps=3): " in printed
