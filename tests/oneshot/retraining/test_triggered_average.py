"""Averaged SGD begins where a training stops to improve, and resumes exactly."""

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.retraining.algorithm import Retraining
from oneshot.retraining.moving_average import TriggeredAverage
from oneshot.retraining.options import RetrainOptions
from oneshot.tasks.language import Language
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped


def model_of(value: float) -> nn.Linear:
    model = nn.Linear(1, 1, bias=False)
    nn.init.constant_(model.weight, value)
    return model


def test_average_is_the_mean_since_the_trigger() -> None:
    model = model_of(0.0)
    average = TriggeredAverage(model, patience=1)
    for step, score in enumerate([5.0, 4.0, 4.5, 4.2, 4.1], 1):
        average.judge(score)
        nn.init.constant_(model.weight, float(step))
        average.follow(model)

    average.give_to(model)

    # 4.2 is worse than the 4.0 before the last score, so that the weights 4 and 5 are averaged.
    assert average.triggered
    assert model.weight.item() == pytest.approx(4.5)


def test_training_that_improves_keeps_its_weights() -> None:
    model = model_of(7.0)
    average = TriggeredAverage(model, patience=2)
    for score in (5.0, 4.0, 4.5, 3.0):
        average.judge(score)
        average.follow(model)

    average.give_to(model)

    assert not average.triggered
    assert model.weight.item() == 7


def test_options_exclude_each_other() -> None:
    with pytest.raises(InvalidOption, match="ema and average_after both average"):
        RetrainOptions(ema=0.9, average_after=5)
    with pytest.raises(InvalidOption, match="norm_batches must be at least 1 with average_after"):
        RetrainOptions(average_after=5, norm_batches=0)
    with pytest.raises(InvalidOption, match="average_after must be at least 0, not -1"):
        RetrainOptions(average_after=-1)
    assert "average_after" not in RetrainOptions().to_dict()


class Bigram(nn.Module):
    """Scores of the next symbol by the last one."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(9, 9)
        nn.init.zeros_(self.table.weight)

    def forward(self, tokens: Tensor, state: Any = None) -> tuple[Tensor, None]:
        return self.table(tokens), None


class _Interrupted(Retraining):
    def after_step(self, step: int) -> None:
        super().after_step(step)
        if step == 40:
            raise KeyboardInterrupt


def test_interrupted_average_resumes_exactly(tmp_path: Path) -> None:
    shape: Any = (10,)
    data = load("markov", shape, limit=160)
    # 10 updates an epoch; the rate is so high that the validation loss soon rises.
    recipe = Recipe(steps=60, batch_size=16, learning_rate=60.0, schedule="constant")
    options = RetrainOptions(augment=True, average_after=1)
    execution = Execution(checkpoint_every=4)

    def trained(folder: str, kind: type[Retraining] = Retraining) -> Retraining:
        algorithm = kind(Bigram(), recipe, options, Passes(Language()), data)
        fit(algorithm, data.train, tmp_path / folder, seed=1, augment=True, execution=execution)
        return algorithm

    whole = trained("whole")
    with pytest.raises((KeyboardInterrupt, Stopped)):
        trained("broken", _Interrupted)
    resumed = trained("broken")

    average = whole.average
    assert isinstance(average, TriggeredAverage)
    assert average.triggered
    assert len(average.scores) == 6
    last = whole.model.get_parameter("table.weight").clone()
    assert torch.equal(last, resumed.model.get_parameter("table.weight"))
    averaged = whole.deliver().get_parameter("table.weight")
    assert torch.equal(averaged, resumed.deliver().get_parameter("table.weight"))
    assert not torch.equal(averaged, last)


def test_longer_windows_take_larger_steps() -> None:
    shape: Any = (10,)
    data = load("markov", shape, limit=40)
    algorithm = Retraining(Bigram(), Recipe(), RetrainOptions(), Passes(Language()), data)

    def factor(*lengths: int) -> float:
        return algorithm.rate_factor([(torch.zeros(2, length), None) for length in lengths])

    assert factor(10) == 1
    assert factor(15) == 1.5
    assert factor(15, 5) == 1
    assert Retraining(Bigram(), Recipe(), RetrainOptions()).rate_factor([]) == 1
