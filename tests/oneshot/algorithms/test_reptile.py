"""Few-shot search: closed forms of its gradients, its optimum on a family of tasks, its runs."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from click.testing import CliRunner, Result
from torch import Tensor

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.episodes import (
    adapted,
    draw_episode,
    first_order_gradients,
    reptile_gradients,
)
from oneshot.algorithms.registry import make, preset
from oneshot.algorithms.reptile import Reptile
from oneshot.commands import main
from oneshot.data.images import ImageSplit
from oneshot.errors import InvalidOption
from oneshot.training.recipe import Recipe
from spaces.console.progress import Bar

SPACE = "nasbench201(cells=1, channels=4, input_size=16)"


def parabola(weight: Tensor, centre: float, curvature: float) -> Tensor:
    return 0.5 * curvature * (weight - centre).square().sum()


@pytest.mark.parametrize("steps", [1, 4])
def test_gradients_equal_their_closed_forms(steps: int) -> None:
    """With the loss h (w - c)^2 / 2 each update leaves the fraction 1 - r h of the distance."""
    weight = torch.tensor([3.0, -1.0], requires_grad=True)
    centre, curvature, rate = 0.5, 1.5, 0.2
    remaining = (1 - rate * curvature) ** steps
    distance = weight.detach() - centre

    def loss() -> Tensor:
        return parabola(weight, centre, curvature)

    (way_back,) = reptile_gradients(loss, [([weight], rate)], steps)
    assert torch.allclose(way_back, (1 - remaining) * distance)

    (at_adapted,) = first_order_gradients(loss, loss, [([weight], rate)], steps)
    assert at_adapted is not None
    assert torch.allclose(at_adapted, curvature * remaining * distance)
    assert weight.tolist() == [3.0, -1.0]


@pytest.mark.parametrize("outer", ["reptile", "maml"])
def test_optimum_of_a_family_of_tasks_is_found(outer: str) -> None:
    """Tasks of one curvature are nearest, after adaptation, to the mean of their centres."""
    weight = torch.tensor(5.0, requires_grad=True)
    groups = [([weight], 0.3)]
    losses = [partial(parabola, weight, centre, 1.0) for centre in (-1.0, 0.0, 4.0)]
    for _ in range(200):
        total = torch.zeros(())
        for loss in losses:
            gradients = (
                reptile_gradients(loss, groups, 3)
                if outer == "reptile"
                else first_order_gradients(loss, loss, groups, 3)
            )
            assert gradients[0] is not None
            total += gradients[0] / len(losses)
        with torch.no_grad():
            weight -= 0.3 * total

    assert weight.item() == pytest.approx(1.0, abs=1e-3)


def test_parameters_are_restored_even_after_errors() -> None:
    weight = torch.tensor(1.0, requires_grad=True)
    adaptation = adapted(lambda: weight.square(), [([weight], 0.1)], 2)

    def fail() -> None:
        with adaptation:
            assert weight.item() != 1.0
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert weight.item() == 1.0


def test_episodes_have_disjoint_parts_and_classes_of_their_own() -> None:
    targets = torch.arange(60) % 6
    generator = torch.Generator().manual_seed(0)
    seen = set()
    for _ in range(20):
        episode = draw_episode(targets, 3, 2, generator)
        assert len(episode.support) == 6
        assert len(episode.query) == 3 * 8
        assert not set(episode.support.tolist()) & set(episode.query.tolist())
        # A class of the episode is one class of the images, in either part.
        pairs = {
            *zip(episode.support_labels.tolist(), targets[episode.support].tolist(), strict=True),
            *zip(episode.query_labels.tolist(), targets[episode.query].tolist(), strict=True),
        }
        assert len(pairs) == 3
        seen |= pairs
    # Numbers of classes are drawn anew.
    assert len(seen) > 12

    with pytest.raises(InvalidOption, match="6 classes of more than 2 images, fewer than 7"):
        draw_episode(targets, 7, 2, generator)


@pytest.mark.parametrize(
    ("given", "named"),
    [
        ({"outer": "adam"}, "outer"),
        ({"ways": 1}, "ways"),
        ({"shots": 0}, "shots"),
        ({"inner_steps": 0}, "inner_steps"),
        ({"inner_learning_rate": 0.0}, "inner_learning_rate"),
        ({"inner_arch_learning_rate": -1.0}, "inner_arch_learning_rate"),
    ],
)
def test_options_out_of_range_are_named(given: dict[str, object], named: str) -> None:
    with pytest.raises(InvalidOption, match=named):
        preset("reptile", given)


def stripes(classes: int, count: int, seed: int) -> tuple[Tensor, Tensor]:
    """Return images whose stripes tell their class, at a random place."""
    generator = torch.Generator().manual_seed(seed)
    targets = torch.arange(count) % classes
    columns = torch.arange(16)
    shift = torch.randint(0, 16, (count, 1), generator=generator)
    waves = torch.sin(2 * torch.pi * (columns + shift) * (targets[:, None] + 1) / 16)
    images = waves[:, None, None, :].expand(count, 3, 16, 16)
    return images + 0.3 * torch.randn(images.shape, generator=generator), targets


def test_accuracies_leave_the_model_as_it_was() -> None:
    space = spaces.get(SPACE)
    images, targets = stripes(5, 50, 0)
    supernet = space.supernet(5)
    setting = Setting(
        Reptile.prepare(supernet),
        Recipe(batch_size=32),
        ImageSplit.from_tensors(images, targets),
        50,
    )
    algorithm = make("reptile", setting, preset("reptile", {"ways": 3}).options)
    assert isinstance(algorithm, Reptile)
    before = {name: value.clone() for name, value in setting.model.state_dict().items()}

    accuracies = algorithm.accuracies(images, targets, episodes=3)
    assert accuracies == algorithm.accuracies(images, targets, episodes=3)
    assert all(0 <= accuracy <= 100 for accuracy in accuracies)
    after = setting.model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())


def train(folder: Path, *options: object) -> Result:
    command = [
        *("train", "--space", SPACE, "--data", "digits", "--algorithm", "reptile"),
        *("--limit", 200, "--batch-size", 60, "--epochs", 2, "--threads", 1, "--no-tensorboard"),
        *("--option", "inner_steps=1", "--checkpoint-every", 1, "--report-every", 1),
        *("-o", folder, *options),
    ]
    return CliRunner().invoke(main, list(map(str, command)))


@pytest.mark.parametrize("outer", ["reptile", "maml"])
def test_interrupted_training_resumes_to_the_same_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, outer: str
) -> None:
    options = ("--option", f"outer={outer}")
    whole = train(tmp_path / "whole", *options)
    assert whole.exit_code == 0, whole.output
    assert (tmp_path / "whole" / "architecture.json").exists()

    def interrupt(self: Bar, fraction: float, text: str) -> None:
        if fraction >= 0.5:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(Bar, "update", interrupt)
        assert train(tmp_path / "broken", *options).exit_code != 0
    assert train(tmp_path / "broken", *options, "--resume").exit_code == 0

    for name in ("weights.safetensors", "architecture.json", "probabilities.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "broken" / name).read_bytes()
    recorded = json.loads((tmp_path / "whole" / "run.json").read_text())
    assert recorded["algorithm"] == "reptile"


def test_batch_without_an_episode_is_refused(tmp_path: Path) -> None:
    result = train(tmp_path / "run", "--option", "ways=10", "--option", "shots=40")
    assert result.exit_code == 2
    assert "raise --batch-size" in result.output
