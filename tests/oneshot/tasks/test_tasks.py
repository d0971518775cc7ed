"""Tasks of other targets than classes, of several metrics, and with a state between batches."""

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

import spaces
from oneshot.data.images import ImageData, ImageSplit
from oneshot.errors import InvalidOption
from oneshot.evaluation.tallies import metrics_under, tally_of
from oneshot.perturbations import Conditions, Perturbation, register_perturbation
from oneshot.perturbations.registry import PERTURBATIONS
from oneshot.run_settings import RunSettings
from oneshot.tasks import Classification, MeanTally, Padded, Tally, Task, register_task
from oneshot.tasks.registry import TASKS, make_task
from oneshot.training.algorithm import Algorithm
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped
from spaces.errors import UnknownName
from tables.evaluation import Evaluation, scores
from tables.metrics import Metric

CPU = torch.device("cpu")


class Regression(Task):
    """One number for each input."""

    metrics: ClassVar = {"squared_error": Metric("1"), "absolute_error": Metric("1")}

    def loss(self, outputs: Tensor, targets: Tensor, smoothing: float = 0.0) -> Tensor:
        return functional.mse_loss(outputs[:, 0], targets)

    def tally(self, device: torch.device) -> Tally:
        return MeanTally(self.errors, device)

    def errors(self, outputs: Tensor, targets: Tensor) -> dict[str, Tensor]:
        error = outputs[:, 0] - targets
        return {"squared_error": error.square(), "absolute_error": error.abs()}


class Sums(Regression):
    """The sum of a padded row for each input."""

    def loss(self, outputs: Tensor, targets: Any, smoothing: float = 0.0) -> Tensor:
        return super().loss(outputs, self.sums(targets))

    def errors(self, outputs: Tensor, targets: Any) -> dict[str, Tensor]:
        return super().errors(outputs, self.sums(targets))

    def sums(self, targets: Padded) -> Tensor:
        return torch.stack([row.sum() for row in targets.rows()])


class Cumulative(Regression):
    """The mean of the inputs so far: outputs depend on the batches before."""

    carries_state = True

    def initial_state(self, batch_size: int, device: torch.device) -> Tensor:
        return torch.zeros(batch_size, 1, device=device)

    def forward(self, model: nn.Module, inputs: Tensor, state: Tensor) -> tuple[Tensor, Tensor]:
        outputs = model(inputs) + state
        return outputs, outputs


def split(targets: Any, count: int = 64) -> ImageSplit:
    generator = torch.Generator().manual_seed(0)
    return ImageSplit.from_tensors(torch.randn(count, 1, 2, 2, generator=generator), targets)


def linear() -> nn.Module:
    torch.manual_seed(3)
    return nn.Sequential(nn.Flatten(), nn.Linear(4, 1))


def trained(task: Task, images: ImageSplit, folder: Path, steps: int = 8, **passes: Any) -> Any:
    model = linear()
    recipe = Recipe(steps=steps, batch_size=16, learning_rate=0.05)
    fit(Algorithm(model, recipe, Passes(task, **passes)), images, folder, seed=1)
    return model


def floats() -> Tensor:
    return torch.randn(64, generator=torch.Generator().manual_seed(1))


def error_of(model: nn.Module, images: ImageSplit, task: Task) -> dict[str, float]:
    return tally_of(model.eval(), images.batches(20), CPU, task).metrics()


def test_a_network_learns_numbers(tmp_path: Path) -> None:
    images = split(floats())
    before = error_of(linear(), images, Regression())

    after = error_of(trained(Regression(), images, tmp_path, 40), images, Regression())

    assert list(after) == ["squared_error", "absolute_error"]
    assert after["squared_error"] < before["squared_error"]
    assert after["absolute_error"] ** 2 <= after["squared_error"]


def test_padded_targets_train_as_their_sums_do(tmp_path: Path) -> None:
    numbers = floats()
    rows = [
        torch.full((1 + index % 3,), float(number) / (1 + index % 3))
        for index, number in enumerate(numbers)
    ]

    padded = trained(Sums(), split(Padded.from_rows(rows)), tmp_path / "padded")
    plain = trained(Regression(), split(numbers), tmp_path / "plain")

    for first, second in zip(padded.parameters(), plain.parameters(), strict=True):
        torch.testing.assert_close(first, second)


def test_padded_rows_keep_their_values_in_slices() -> None:
    rows = [torch.arange(length) for length in (3, 0, 2)]
    padded = Padded.from_rows(rows)

    selected = padded[torch.tensor([2, 0])].to(CPU)

    assert len(padded) == 3
    assert [row.tolist() for row in selected.rows()] == [[0, 1], [0, 1, 2]]


def test_interval_of_a_mean_covers_it_in_most_samples() -> None:
    generator = torch.Generator().manual_seed(0)
    covered = 0
    for _ in range(400):
        tally = MeanTally(lambda outputs, targets: {"value": outputs}, CPU)
        for _ in range(4):
            tally.add(torch.randn(25, generator=generator, dtype=torch.float64) + 5, None)
        low, high = tally.intervals()["value"]
        covered += low < 5 < high
    # 95% with a deviation of 1.1% over 400 samples.
    assert 0.91 < covered / 400 < 0.985


class _Interrupted(Algorithm):
    def after_step(self, step: int) -> None:
        if step == 5:
            raise KeyboardInterrupt


def test_carried_state_resumes_exactly(tmp_path: Path) -> None:
    images = split(floats(), 64)
    recipe = Recipe(steps=12, batch_size=16, learning_rate=0.05)
    execution = Execution(checkpoint_every=3)
    whole = linear()
    fit(Algorithm(whole, recipe, Passes(Cumulative())), images, tmp_path / "whole", seed=1)

    broken = _Interrupted(linear(), recipe, Passes(Cumulative()))
    with pytest.raises((KeyboardInterrupt, Stopped)):
        fit(broken, images, tmp_path / "broken", seed=1, execution=execution)
    resumed = linear()
    algorithm = Algorithm(resumed, recipe, Passes(Cumulative()))
    fit(algorithm, images, tmp_path / "broken", seed=1, execution=execution)

    for first, second in zip(whole.parameters(), resumed.parameters(), strict=True):
        assert torch.equal(first, second)


def test_state_is_carried_within_a_set_only() -> None:
    passes = Passes(Cumulative())
    model = nn.Flatten()
    ones = torch.ones(2, 1)

    first, second = passes.forward(model, ones), passes.forward(model, ones)
    alone = passes.from_start(model, ones)
    passes.rewind()
    rewound = passes.forward(model, ones)

    assert (first.mean().item(), second.mean().item()) == (1, 2)
    assert alone.mean().item() == rewound.mean().item() == 1
    batches = [(ones, torch.tensor([1.0, 1.0])), (ones, torch.tensor([2.0, 2.0]))]
    for _ in range(2):
        assert tally_of(model, batches, CPU, Cumulative()).metrics()["squared_error"] == 0


class Constant(Perturbation):
    """Adds a constant to the inputs."""

    def __init__(self, *, value: float = 1.0):
        self.value = value

    @contextmanager
    def around(
        self, model: nn.Module, inputs: Tensor, loss_at: Any, generator: torch.Generator
    ) -> Iterator[Tensor]:
        yield inputs + self.value


class Noise(Perturbation):
    """Adds noise to the inputs."""

    @contextmanager
    def around(
        self, model: nn.Module, inputs: Tensor, loss_at: Any, generator: torch.Generator
    ) -> Iterator[Tensor]:
        yield inputs + torch.randn(inputs.shape, generator=generator)


@pytest.fixture
def _perturbations() -> Iterator[None]:
    with PERTURBATIONS.preserved():
        register_perturbation("constant")(Constant)
        register_perturbation("noise")(Noise)
        yield


@pytest.mark.usefixtures("_perturbations")
def test_loss_under_conditions_is_the_weighted_sum() -> None:
    task = Regression()
    inputs, targets = split(floats()).tensors()
    model = linear()
    conditions = Conditions.parse(["clean=0.25", "constant(value=2)=0.75"])

    loss, outputs = Passes(task, conditions).loss(
        model, inputs, lambda outputs: task.loss(outputs, targets)
    )

    clean, moved = (task.loss(model(x), targets) for x in (inputs, inputs + 2))
    torch.testing.assert_close(loss, 0.25 * clean + 0.75 * moved)
    assert torch.equal(outputs, model(inputs))


@pytest.mark.usefixtures("_perturbations")
def test_clean_condition_alone_trains_the_same_weights(tmp_path: Path) -> None:
    images = split(floats())
    plain = trained(Regression(), images, tmp_path / "plain")
    clean = trained(
        Regression(), images, tmp_path / "clean", conditions=Conditions.parse(["clean=1"])
    )
    noisy = trained(
        Regression(), images, tmp_path / "noise", conditions=Conditions.parse(["noise=1"])
    )
    again = trained(
        Regression(), images, tmp_path / "again", conditions=Conditions.parse(["noise=1"])
    )

    assert torch.equal(plain[1].weight, clean[1].weight)
    assert torch.equal(noisy[1].weight, again[1].weight)
    assert not torch.equal(plain[1].weight, noisy[1].weight)


@pytest.mark.usefixtures("_perturbations")
def test_evaluations_have_the_metrics_of_each_condition() -> None:
    images = split(torch.arange(64) % 2)
    model = nn.Sequential(nn.Flatten(), nn.Linear(4, 2))
    conditions = Conditions.parse(["constant(value=3)=1"])

    metrics = metrics_under(
        model, list(images.batches(20)), CPU, Classification(), conditions, seed=0
    )

    moved = [(inputs + 3, targets) for inputs, targets in images.batches(20)]
    expected = tally_of(model, moved, CPU).metrics()
    assert metrics["top1_constant"] == expected["top1"]
    assert metrics["top1"] == tally_of(model, images.batches(20), CPU).metrics()["top1"]


@pytest.mark.parametrize("text", ["clean", "clean=0", "clean=-1", "clean=nan", "=0.5"])
def test_conditions_without_a_weight_are_refused(text: str) -> None:
    with pytest.raises((InvalidOption, UnknownName)):
        Conditions.parse([text])


def test_unknown_names_have_near_misses() -> None:
    with pytest.raises(UnknownName, match="classification"):
        make_task("clasification")
    with pytest.raises(UnknownName, match="clean"):
        Conditions.parse(["claen=1"])
    with pytest.raises(InvalidOption, match="no option 'classes'"):
        make_task("classification(classes=3)")


def test_a_head_that_the_space_lacks_is_refused() -> None:
    with TASKS.preserved():

        @register_task("painting")
        class Painting(Regression):
            head = "mask"

        with pytest.raises(InvalidOption, match=r"'painting'.*'mask'.*'classes'"):
            make_task("painting", spaces.get("spos-tiny"))


def test_settings_without_a_task_are_of_classifications() -> None:
    record = {"kind": "supernet", "space": "spos-tiny", "data": {"num_classes": 10}, "seed": 0}
    assert RunSettings.from_dict(record).task == "classification"
    settings = RunSettings.from_dict({**record, "task": "angle(turns=2)", "under": ["clean=1"]})
    assert RunSettings.from_dict(settings.to_dict()) == settings


def test_classification_refuses_other_targets() -> None:
    images = split(floats())
    data = ImageData("made-up", images, images, images, num_classes=2, split_seed=0)
    with pytest.raises(InvalidOption, match="made-up"):
        Classification().check(data)


def test_default_reward_is_the_negative_loss() -> None:
    outputs, targets = torch.tensor([[1.0], [3.0]]), torch.tensor([1.0, 1.0])
    rewards = Regression().rewards(outputs, targets)
    assert rewards.tolist() == [-2, -2]
    assert not math.isnan(rewards.mean().item())


@pytest.mark.parametrize(("higher_is_better", "sign"), [(True, 1), (False, -1)])
def test_evaluations_record_which_values_of_own_metrics_are_better(
    higher_is_better: bool, sign: int
) -> None:
    space = spaces.get("spos-tiny")
    metrics = {"degrees": {"unit": "degrees", "higher_is_better": higher_is_better}}
    evaluations = [
        Evaluation(
            space.architecture([0] * len(space.choices)), {"degrees": 7.0}, {"metrics": metrics}
        )
    ]
    assert scores(evaluations, "degrees") == [7 * sign]
    with pytest.raises(UnknownName, match="radians"):
        scores(evaluations, "radians")
