"""What a training does to a model, on one device."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from oneshot.algorithms.spos import PathAlgorithm
from oneshot.data.images import ImageData
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.samplers import Uniform
from oneshot.training import Algorithm, Execution, fit
from oneshot.training.recipe import Recipe
from spaces import ChainSpace

Weights = dict[str, torch.Tensor]


def test_global_randomness_is_left_alone(
    small: ChainSpace, images: ImageData, short: Recipe, tmp_path: Path, weights: Any, same: Any
) -> None:
    recipe = dataclasses.replace(short, epochs=1)
    torch.manual_seed(5)
    before, numbers = torch.get_rng_state(), np.random.get_state()[1].tolist()  # noqa: NPY002
    models = [small.supernet(3), small.supernet(3)]
    for index, model in enumerate(models):
        fit(
            PathAlgorithm(model, recipe, Uniform(small, 0)),
            images.train,
            tmp_path / str(index),
            seed=0,
        )
        assert torch.equal(torch.get_rng_state(), before)
        assert np.random.get_state()[1].tolist() == numbers  # noqa: NPY002
        torch.manual_seed(77)  # nor does the training depend on it
        before = torch.get_rng_state()
    assert same(*map(weights, models))
    other = small.supernet(3)
    fit(PathAlgorithm(other, recipe, Uniform(small, 1)), images.train, tmp_path / "other", seed=1)
    assert not same(weights(other), weights(models[0]))


def test_training_learns(images: ImageData, small: ChainSpace, tmp_path: Path) -> None:
    told: list[tuple[float, str]] = []
    network = small.network(small.architecture([0, 0, 0]), 3)
    recipe = Recipe(epochs=8, batch_size=16, learning_rate=0.1, label_smoothing=0.0)
    algorithm = Algorithm(network, recipe)
    fit(algorithm, images.train, tmp_path, seed=0, progress=lambda *state: told.append(state))
    assert [share for share, _ in told] == pytest.approx([number / 8 for number in range(1, 9)])
    losses = [float(text.partition("loss ")[2].partition(",")[0]) for _, text in told]
    right = [float(text.partition("top-1 ")[2].partition(",")[0]) for _, text in told]
    assert told[0][1].startswith("epoch 1/8, loss ")
    assert all(text.endswith(" images/s") for _, text in told)
    assert losses[-1] < 0.75 * np.log(3) < losses[0] * 1.2
    assert right[-1] > max(right[0], 60)


def test_steps_take_the_place_of_epochs(
    images: ImageData, small: ChainSpace, tmp_path: Path
) -> None:
    told: list[str] = []
    recipe = Recipe(steps=7, batch_size=32)
    algorithm = Algorithm(small.network(small.architecture([0, 0, 0]), 3), recipe)
    progress = lambda share, text: told.append(text)  # noqa: E731
    fit(
        algorithm,
        images.train,
        tmp_path,
        seed=0,
        execution=Execution(report_every=2),
        progress=progress,
    )
    assert [text.partition(",")[0] for text in told] == [
        f"update {step}/7" for step in (2, 3, 4, 6, 7)
    ]


def linear() -> nn.Module:
    layer = nn.Linear(768, 3)
    with torch.no_grad():
        layer.weight.fill_(0.01)
        layer.bias.fill_(0.0)
    return nn.Sequential(nn.Flatten(), layer)


def test_accumulated_batches_are_one_batch(
    images: ImageData, short: Recipe, tmp_path: Path
) -> None:
    whole, parts = linear(), linear()
    fit(Algorithm(whole, short), images.train, tmp_path / "1", seed=0)
    fit(
        Algorithm(parts, short),
        images.train,
        tmp_path / "4",
        seed=0,
        execution=Execution(accumulate=4),
    )
    for name, value in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], value, rtol=1e-4, atol=1e-5)


def test_gradients_are_clipped(images: ImageData, tmp_path: Path) -> None:
    moved = {}
    for clip in (None, 0.01):
        model = linear()
        before = [value.clone() for value in model.parameters()]
        recipe = Recipe(
            steps=1, batch_size=32, learning_rate=1.0, momentum=0.0, weight_decay=0.0, clip=clip
        )
        fit(Algorithm(model, recipe), images.train, tmp_path / str(clip), seed=0)
        squares = [
            ((new - old) ** 2).sum() for new, old in zip(model.parameters(), before, strict=True)
        ]
        moved[clip] = float(torch.stack(squares).sum().sqrt().detach())
    assert moved[None] > 0.1
    assert moved[0.01] == pytest.approx(0.01, rel=1e-3)


def test_mixed_precision_trains_about_the_same(
    images: ImageData, small: ChainSpace, short: Recipe, tmp_path: Path
) -> None:
    begin, moved = small.supernet(3), {}
    for precision in ("fp32", "bf16"):
        supernet = small.supernet(3)
        algorithm = PathAlgorithm(supernet, dataclasses.replace(short, steps=1), Uniform(small, 0))
        fit(
            algorithm,
            images.train,
            tmp_path / precision,
            seed=0,
            execution=Execution(precision=precision),
        )
        assert {value.dtype for value in supernet.state_dict().values()} == {
            torch.float32,
            torch.int64,
        }
        pairs = zip(supernet.parameters(), begin.parameters(), strict=True)
        moved[precision] = torch.cat([(new - old).detach().reshape(-1) for new, old in pairs])
    assert not torch.equal(moved["bf16"], moved["fp32"])
    assert float(torch.cosine_similarity(moved["bf16"], moved["fp32"], dim=0)) > 0.95


def test_a_training_that_diverges_says_so(images: ImageData, tmp_path: Path) -> None:
    recipe = Recipe(epochs=40, batch_size=32, learning_rate=1e30)
    with pytest.raises(
        InvalidRun, match="after update 3: the training diverged; lower learning_rate"
    ):
        fit(Algorithm(linear(), recipe), images.train, tmp_path, seed=0)


@pytest.mark.parametrize(
    ("recipe", "execution", "said"),
    [
        (
            {"batch_size": 33},
            {"accumulate": 2},
            "batch_size must be a multiple of devices x accumulate, 1 x 2, not 33",
        ),
        (
            {"epochs": 1, "warmup": 3},
            {},
            "warmup must be less than the training's 3 updates, not 3",
        ),
        ({}, {"accelerator": "cpu", "precision": "fp16"}, "precision: fp16 needs a GPU"),
        (
            {},
            {"accelerator": "gpu", "devices": 99},
            "devices: this machine has [0-9]+ GPUs, not 99",
        ),
    ],
)
def test_what_cannot_be_is_refused(
    images: ImageData, tmp_path: Path, recipe: Any, execution: Any, said: str
) -> None:
    algorithm, how = (
        Algorithm(linear(), Recipe(**{"batch_size": 32, **recipe})),
        Execution(**execution),
    )
    with pytest.raises(InvalidOption, match=said):
        fit(algorithm, images.train, tmp_path, seed=0, execution=how)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("devices", 0),
        ("accumulate", 0),
        ("precision", "fp8"),
        ("accelerator", "tpu"),
        ("checkpoint_every", 0),
    ],
)
def test_impossible_executions_are_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidOption, match=f"{field} must .*, not '?{value}"):
        Execution(**{field: value})


def test_tensorboard_gets_the_curves(images: ImageData, short: Recipe, tmp_path: Path) -> None:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    execution = Execution(tensorboard=True, report_every=2)
    fit(Algorithm(linear(), short), images.train, tmp_path, seed=0, execution=execution)
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    steps = [2, 3, 4, 6, 8, 9, 10, 12]
    for tag in ("loss", "top1", "images_per_second", "learning_rate"):
        assert [event.step for event in events.Scalars(f"train/{tag}")] == steps
    rates = [event.value for event in events.Scalars("train/learning_rate")]
    assert rates == pytest.approx([0.05 * (1 - step / 12) for step in steps], abs=1e-6)


def test_several_optimisers_train_in_one_task(
    images: ImageData,
    short: Recipe,
    tmp_path: Path,
    weights: Callable[[nn.Module], Weights],
    same: Any,
) -> None:
    """As gradient-based algorithms need them: steps of their own, and state of their own in
    checkpoints.
    """

    class Alternating(Algorithm):
        turns = 0

        def optimizers(self, steps: int) -> Any:
            layer = self.model[1]  # type: ignore[index]
            return [
                (torch.optim.SGD([layer.weight], 0.1), None),
                (torch.optim.Adam([layer.bias], 0.1), None),
            ]

        def step(self, batches: Any, step: int, engine: Any) -> None:
            (pictures, labels) = batches[0]
            engine.zero_grad()
            with engine.autocast():
                loss = self.loss(pictures, labels, step, engine)
            engine.backward(loss)
            engine.update(step % 2)
            self.turns += 1

        def state_dict(self) -> dict[str, Any]:
            return {"turns": self.turns}

        def load_state_dict(self, state: dict[str, Any]) -> None:
            self.turns = state["turns"]

    algorithms = [
        Alternating(linear(), dataclasses.replace(short, steps=steps)) for steps in (12, 12)
    ]
    fit(algorithms[0], images.train, tmp_path / "whole", seed=0)
    assert algorithms[0].turns == 12
    execution = Execution(checkpoint_every=5)
    # Stopped in the eighth update, after the checkpoint of the fifth.
    algorithms[1].after_step = lambda step: (
        (_ for _ in ()).throw(RuntimeError) if step == 7 else None
    )  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        fit(algorithms[1], images.train, tmp_path / "broken", seed=0, execution=execution)
    again = Alternating(linear(), algorithms[1].recipe)
    fit(again, images.train, tmp_path / "broken", seed=0, execution=execution)
    assert again.turns == 12
    assert same(weights(again.model), weights(algorithms[0].model))
