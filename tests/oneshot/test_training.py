"""Training: what is not drawn is not touched, and an interrupted training ends as an unbroken one."""

import dataclasses
import itertools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from oneshot import run as runs
from oneshot.data.images import ImageData
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.recipe import Recipe
from oneshot.retraining import train_network
from oneshot.run import Run, begin
from oneshot.supernet_training import train_supernet
from oneshot.training import TrainingModule, train
from spaces import ChainSpace, Supernet

RECIPE = Recipe(epochs=4, batch_size=32, learning_rate=0.05, weight_decay=0.01)


class Interrupted(Exception):
    """Stops a training."""


def stop_at(epoch: int, epochs: int) -> Callable[[float, str], None]:
    """A progress callback that stops the training after an epoch."""

    def progress(share: float, text: str) -> None:
        if share >= epoch / epochs:
            raise Interrupted

    return progress


def drawing(supernet: Supernet, log: list[list[int]] | None = None) -> Callable[[int], None]:
    def draw(step: int) -> None:
        codes = np.random.default_rng([0, step]).integers(4, size=3)
        if log is not None:
            log.append(codes.tolist())
        supernet.activate(codes)

    return draw


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(value, other[name]) for name, value in one.items())


def test_what_is_not_drawn_stays_bit_for_bit(small: ChainSpace, images: ImageData, tmp_path: Path) -> None:
    """Also where it was drawn before, and has momentum and decay to take."""
    supernet = small.supernet(3)
    paths = [[0, 1, 2], [0, 1, 2], [3, 1, 0], [3, 2, 0], [0, 3, 1]]
    states: list[dict[str, torch.Tensor]] = []

    def draw(step: int) -> None:
        states.append(weights(supernet))
        supernet.activate(paths[step % len(paths)])

    recipe = dataclasses.replace(RECIPE, epochs=2)
    train(supernet, images, recipe, tmp_path, seed=0, before_step=draw)
    states.append(weights(supernet))
    assert len(states) == 2 * 3 + 1
    for step, (before, after) in enumerate(itertools.pairwise(states)):
        supernet.activate(paths[step % len(paths)])
        drawn = {id(value) for part in supernet.path() for value in part.state_dict(keep_vars=True).values()}
        for name, value in supernet.state_dict(keep_vars=True).items():
            assert torch.equal(before[name], after[name]) is (id(value) not in drawn), (step, name)


def test_decay_is_for_weights_of_more_dimensions(small: ChainSpace) -> None:
    network = small.network(small.architecture([0, 1, 3]), 3)
    (optimizer,), _ = TrainingModule(network, RECIPE, 10, 0).configure_optimizers()
    decay = {id(value): group["weight_decay"] for group in optimizer.param_groups for value in group["params"]}
    parameters = dict(network.named_parameters())
    assert {value.ndim for value in parameters.values()} == {1, 2, 4}
    assert {name: decay[id(value)] for name, value in parameters.items()} == {
        name: 0.01 if value.ndim > 1 else 0.0 for name, value in parameters.items()
    }
    assert {group["momentum"] for group in optimizer.param_groups} == {0.9}


def test_the_rate_falls_linearly_to_nothing(
    small: ChainSpace, images: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []
    optimizers: list[torch.optim.Optimizer] = []

    class Told(torch.optim.SGD):
        def __init__(self, *given: Any, **named: Any):
            super().__init__(*given, **named)
            optimizers.append(self)

        def step(self, closure: Any = None) -> Any:
            rates.append(self.param_groups[0]["lr"])
            return super().step(closure)

    monkeypatch.setattr(torch.optim, "SGD", Told)
    network = small.network(small.architecture([0, 0, 0]), 3)
    train(network, images, RECIPE, tmp_path, seed=0)
    assert rates == pytest.approx([0.05 * (1 - step / 12) for step in range(12)])
    assert [group["lr"] for optimizer in optimizers for group in optimizer.param_groups] == [0, 0]


def test_resumed_training_is_the_unbroken_one(small: ChainSpace, images: ImageData, tmp_path: Path) -> None:
    whole, log = small.supernet(3), list[list[int]]()
    train(whole, images, RECIPE, tmp_path / "whole", seed=3, before_step=drawing(whole, log), checkpoint_every=1)
    assert len(log) == 12
    broken = small.supernet(3)
    with pytest.raises(Interrupted):
        train(
            broken,
            images,
            RECIPE,
            tmp_path / "broken",
            seed=3,
            before_step=drawing(broken),
            progress=stop_at(3, 4),
            checkpoint_every=1,
        )
    assert (tmp_path / "broken" / "last.ckpt").exists()
    resumed, rest = small.supernet(3, torch.Generator().manual_seed(99)), list[list[int]]()
    train(resumed, images, RECIPE, tmp_path / "broken", seed=3, before_step=drawing(resumed, rest), checkpoint_every=1)
    assert 0 < len(rest) < 12
    assert rest == log[-len(rest) :]
    assert same(weights(resumed), weights(whole))


def test_dropout_of_a_resumed_training_is_the_same(images: ImageData, tmp_path: Path) -> None:
    def model() -> nn.Module:
        linear = nn.Linear(768, 3)
        with torch.no_grad():
            linear.weight.fill_(0.01)
            linear.bias.fill_(0.0)
        return nn.Sequential(nn.Flatten(), nn.Dropout(0.5), linear)

    whole, broken, resumed = model(), model(), model()
    train(whole, images, RECIPE, tmp_path / "whole", seed=1, checkpoint_every=1)
    with pytest.raises(Interrupted):
        train(broken, images, RECIPE, tmp_path / "b", seed=1, progress=stop_at(2, 4), checkpoint_every=1)
    train(resumed, images, RECIPE, tmp_path / "b", seed=1, checkpoint_every=1)
    assert same(weights(resumed), weights(whole))
    assert not same(weights(whole), weights(model()))


def test_global_randomness_is_left_alone(small: ChainSpace, images: ImageData, tmp_path: Path) -> None:
    recipe = dataclasses.replace(RECIPE, epochs=1)
    torch.manual_seed(5)
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    models = [small.supernet(3), small.supernet(3)]
    for index, model in enumerate(models):
        train(model, images, recipe, tmp_path / str(index), seed=0, before_step=drawing(model))
        assert torch.equal(torch.get_rng_state(), before)
        assert np.random.get_state()[1].tolist() == numbers  # noqa: NPY002
        torch.manual_seed(77)  # nor does the training depend on it
        before = torch.get_rng_state()
    assert same(*map(weights, models))
    other = small.supernet(3)
    train(other, images, recipe, tmp_path / "other", seed=1, before_step=drawing(other))
    assert not same(weights(other), weights(models[0]))


def test_training_learns(images: ImageData, small: ChainSpace, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    network = small.network(small.architecture([0, 0, 0]), 3)
    recipe = Recipe(epochs=8, batch_size=16, learning_rate=0.1, label_smoothing=0.0)
    train(network, images, recipe, tmp_path, seed=0, progress=lambda *state: told.append(state))
    assert [share for share, _ in told] == pytest.approx([number / 8 for number in range(1, 9)])
    losses = [float(text.rpartition("loss ")[2]) for _, text in told]
    assert told[0][1].startswith("epoch 1/8, loss ")
    assert losses[-1] < 0.75 * np.log(3) < losses[0] * 1.2


@pytest.mark.parametrize(
    ("field", "value"),
    [("epochs", 0), ("batch_size", -1), ("learning_rate", 0.0), ("label_smoothing", 1.0), ("label_smoothing", -0.1)],
)
def test_impossible_recipes_are_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidOption, match=f"{field} must .*, not {value}"):
        Recipe(**{field: value})  # type: ignore[arg-type]


# Runs


@pytest.fixture
def settings(small: ChainSpace, images: ImageData, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """A supernet's run of seven epochs on the made-up images."""
    monkeypatch.setattr(runs, "load_data", lambda name, shape, seed: images)
    return {
        "kind": "supernet",
        "space": small.name,
        "data": {"name": "made-up", "split_seed": 0, "num_classes": 3},
        "recipe": dataclasses.replace(RECIPE, epochs=7).to_dict(),
        "seed": 0,
        "version": "1",
        "command": "tests",
    }


def test_an_interrupted_run_goes_on(settings: dict[str, Any], tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole", settings, resume=False)
    expected = weights(train_supernet(whole))
    broken = begin(tmp_path / "broken", settings, resume=False)
    with pytest.raises(Interrupted):
        train_supernet(broken, stop_at(6, 7))
    assert not broken.weights.exists()
    told: list[str] = []
    resumed = begin(tmp_path / "broken", {**settings, "command": "again"}, resume=True)
    found = train_supernet(resumed, lambda share, text: told.append(text))
    assert [text.partition(",")[0] for text in told] == ["epoch 6/7", "epoch 7/7"]
    assert same(weights(found), expected)
    assert same(weights(resumed.load()), expected)
    assert not resumed.load().training
    # A run that is done is loaded.
    assert same(weights(train_supernet(resumed, stop_at(0, 7))), expected)


def test_network_runs_recalibrate_at_the_end(
    settings: dict[str, Any], small: ChainSpace, images: ImageData, tmp_path: Path
) -> None:
    architecture = small.architecture([3, 0, 1])
    recipe = dataclasses.replace(RECIPE, epochs=1).to_dict()
    given = {**settings, "kind": "network", "architecture": architecture.to_dict(), "recipe": recipe}
    run = begin(tmp_path / "network", given, resume=False)
    network = train_network(run)
    assert run.architecture == architecture
    first = next(module for module in network.modules() if isinstance(module, nn.BatchNorm2d))
    conv = next(module for module in network.modules() if isinstance(module, nn.Conv2d))
    with torch.no_grad():
        x = conv(images.train.images)
    assert first.running_mean is not None
    torch.testing.assert_close(first.running_mean, x.mean((0, 2, 3)), rtol=1e-4, atol=1e-5)
    assert same(weights(run.load()), weights(network))


def test_folders_of_other_runs_are_refused(settings: dict[str, Any], tmp_path: Path) -> None:
    run = begin(tmp_path / "r", settings, resume=False)
    assert run == Run(tmp_path / "r", settings)
    with pytest.raises(InvalidRun, match="holds a run already; choose another folder, or go on with --resume"):
        begin(tmp_path / "r", settings, resume=False)
    with pytest.raises(InvalidRun, match="holds a run with seed 0, not 1"):
        begin(tmp_path / "r", {**settings, "seed": 1}, resume=True)
    assert begin(tmp_path / "r", {**settings, "command": "x", "version": "2"}, resume=True).settings == settings
    with pytest.raises(InvalidRun, match="holds the run of a supernet; a network is needed"):
        runs.read_run(tmp_path / "r", "network")
    with pytest.raises(InvalidRun, match="the training is not done; go on with the same command and --resume"):
        run.load()
    assert begin(tmp_path / "new", settings, resume=True).settings == settings


@pytest.mark.parametrize("content", [None, "", "{", "[]", "5", "{}"])
def test_folders_without_a_run_are_named(tmp_path: Path, content: str | None) -> None:
    if content is not None:
        (tmp_path / "run.json").write_text(content)
    with pytest.raises(InvalidRun) as caught:
        runs.read_run(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path} holds no run of Pathfit's")


def test_wrong_weights_are_refused(settings: dict[str, Any], small: ChainSpace, tmp_path: Path) -> None:
    run = begin(tmp_path / "r", settings, resume=False)
    run.save(nn.Linear(2, 2))
    with pytest.raises(InvalidRun, match=r"weights\.safetensors: not the weights of this run: [^\n]+$"):
        run.load()
    run.weights.write_bytes(b"nonsense")
    with pytest.raises(InvalidRun, match=r"weights\.safetensors: not the weights of this run"):
        run.load()
    run.save(small.supernet(5))  # of another number of classes
    with pytest.raises(InvalidRun, match="not the weights of this run"):
        run.load()


def test_a_run_builds_the_same_model_again(settings: dict[str, Any], tmp_path: Path) -> None:
    run = Run(tmp_path, settings)
    assert same(weights(run.build()), weights(run.build()))
    assert not same(weights(run.build()), weights(Run(tmp_path, {**settings, "seed": 1}).build()))
