"""Retraining: each option does what it says, and an interrupted retraining ends as an unbroken
one.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import nn

import spaces
from oneshot.data.images import ImageData, ImageSplit
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.retraining import network_training
from oneshot.retraining.algorithm import Retraining
from oneshot.retraining.network_training import check, train_network
from oneshot.retraining.options import RetrainOptions
from oneshot.run import Run, begin
from oneshot.run_settings import AugmentationSettings, RunSettings
from oneshot.tasks import Task
from oneshot.training.execution import Execution
from oneshot.training.passes import Passes
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped
from spaces import ChainSpace
from spaces.modules.cells import CellNetwork
from tables.metrics import Metric

RECIPE = Recipe(epochs=4, batch_size=32, learning_rate=0.05)
EVERYTHING = RetrainOptions(cutout=4, mixup=0.4, ema=0.9)
CELLS = "darts-tiny(channels=4, layers=3)"
Make = Callable[..., Run]


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one: dict[str, torch.Tensor], other: dict[str, torch.Tensor]) -> bool:
    return one.keys() == other.keys() and all(
        torch.equal(value, other[name]) for name, value in one.items()
    )


@pytest.fixture
def make(small: ChainSpace, tmp_path: Path) -> Make:
    """Begins runs of a network, in a folder each."""

    def run(folder: str, options: RetrainOptions | None = None, **changes: Any) -> Run:
        settings = {
            "kind": "network",
            "space": small.name,
            "data": {"name": "made-up", "split_seed": 0, "num_classes": 3},
            "recipe": RECIPE.to_dict(),
            "architecture": small.architecture([3, 0, 1]).to_dict(),
            "retraining": (options or RetrainOptions()).to_dict(),
            "seed": 5,
            "version": "1",
            "command": "tests",
        }
        return begin(tmp_path / folder, RunSettings.from_dict({**settings, **changes}), resume=True)

    return run


def of_cells(name: str = CELLS) -> dict[str, Any]:
    space = spaces.get(name)
    return {"space": space.name, "architecture": space.sample(np.random.default_rng(0)).to_dict()}


@pytest.fixture(scope="module")
def large() -> ImageData:
    """The made-up images at 32 pixels."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> ImageSplit:
        labels = torch.arange(count) % 3
        pictures = torch.randn(count, 3, 32, 32, generator=generator) + labels[:, None, None, None]
        return ImageSplit.from_tensors(pictures, labels)

    return ImageData("made-up", split(32), split(16), split(12), num_classes=3, split_seed=0)


class Stop:
    """A progress callback that stops a training as Ctrl-C does, at the first report from an update
    on.
    """

    def __init__(self, share: float):
        self.share = share

    def __call__(self, share: float, text: str) -> None:
        if share >= self.share:
            raise KeyboardInterrupt


@pytest.mark.parametrize("options", [RetrainOptions(), EVERYTHING])
def test_a_resumed_retraining_is_the_unbroken_one(
    make: Make, images: ImageData, options: RetrainOptions
) -> None:
    each = Execution(checkpoint_every=1, report_every=1)
    whole = weights(train_network(make("whole", options), data=images, execution=each))
    broken = make("broken", options)
    with pytest.raises((KeyboardInterrupt, Stopped)):
        train_network(broken, Stop(0.55), each, images)
    assert (broken.folder / "last.ckpt").exists()
    assert not broken.weights.exists()
    reports: list[float] = []
    found = train_network(
        make("broken", options), lambda share, text: reports.append(share), each, images
    )
    assert 0.4 < reports[0] < 0.8  # not from the beginning
    assert same(weights(found), whole)
    assert same(weights(broken.load()), whole)
    assert not same(weights(train_network(make("other", options, seed=6), data=images)), whole)


def test_a_retraining_that_is_done_is_loaded(make: Make, images: ImageData) -> None:
    run = make("done")
    network = train_network(run, data=images)
    assert not network.training
    assert same(weights(train_network(run, Stop(0))), weights(network))


def test_statistics_are_the_cumulative_mean_at_the_end(make: Make, images: ImageData) -> None:
    network = train_network(make("run", RetrainOptions(ema=0.9)), data=images)
    conv, norm = network.blocks[0][0], network.blocks[0][1]  # type: ignore[index, union-attr]
    with torch.no_grad():
        expected = conv(images.train.tensors()[0]).mean((0, 2, 3))
    torch.testing.assert_close(norm.running_mean, expected, rtol=1e-4, atol=1e-5)


def test_the_last_pass_takes_so_many_batches(
    make: Make, images: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []

    def recalibrate(model: nn.Module, batches: Any, task: Task) -> None:
        seen.extend(len(batch) for batch in batches)

    monkeypatch.setattr(network_training, "recalibrate", recalibrate)
    monkeypatch.setattr(network_training, "_LEAST_BATCH", 8)
    recipe = dataclasses.replace(RECIPE, batch_size=16, steps=1).to_dict()
    train_network(make("few", RetrainOptions(norm_batches=4), recipe=recipe), data=images)
    assert seen == [16] * 4
    seen.clear()
    train_network(make("all", recipe=recipe), data=images)
    assert seen == [16] * 6  # once over the training images and no more


def test_without_a_last_pass_the_statistics_are_those_of_the_updates(
    make: Make, images: ImageData
) -> None:
    with_pass = weights(train_network(make("pass"), data=images))
    without = weights(train_network(make("none", RetrainOptions(norm_batches=0)), data=images))
    for name, value in without.items():
        is_statistic = "running" in name or "num_batches" in name
        assert torch.equal(value, with_pass[name]) != is_statistic, name


def test_averaged_weights_need_a_last_pass() -> None:
    with pytest.raises(InvalidOption, match="norm_batches must be at least 1 with ema"):
        RetrainOptions(ema=0.9, norm_batches=0)


def test_each_option_changes_the_training(make: Make, images: ImageData) -> None:
    found = {
        name: weights(train_network(make(name, options), data=images))
        for name, options in {
            "plain": RetrainOptions(augment=False),
            "mixup": RetrainOptions(augment=False, mixup=1.0),
            "ema": RetrainOptions(augment=False, ema=0.9),
            "cutout": RetrainOptions(cutout=8),
        }.items()
    }
    names = list(found)
    for index, name in enumerate(names):
        assert not any(same(found[name], found[other]) for other in names[:index])


def test_moving_average_is_what_is_delivered(
    make: Make, images: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    algorithms: list[Retraining] = []
    after = Retraining.after_step
    states: list[torch.Tensor] = []

    def following(self: Retraining, step: int) -> None:
        after(self, step)
        algorithms.append(self)
        states.append(next(self.model.parameters()).detach().clone())

    monkeypatch.setattr(Retraining, "after_step", following)
    network = train_network(make("run", RetrainOptions(ema=0.5)), data=images)
    average = algorithms[-1].average
    assert average is not None
    first = next(network.parameters())
    assert torch.equal(first, average.weights[next(iter(average.weights))])
    assert not torch.equal(first, states[-1])
    assert average.updates == len(states) == 12


def test_drop_path_rises_linearly(
    make: Make, large: ImageData, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[float] = []
    before = Retraining.before_step

    def noting(self: Retraining, step: int) -> None:
        before(self, step)
        assert isinstance(self.model, CellNetwork)
        seen.append(self.model.drop_path)

    monkeypatch.setattr(Retraining, "before_step", noting)
    recipe = dataclasses.replace(RECIPE, batch_size=8, steps=5).to_dict()
    train_network(
        make("run", RetrainOptions(drop_path=0.3), recipe=recipe, **of_cells()), data=large
    )
    assert seen == pytest.approx([0.0, 0.06, 0.12, 0.18, 0.24])


def test_auxiliary_head_trains_and_goes(make: Make, large: ImageData) -> None:
    recipe = dataclasses.replace(RECIPE, batch_size=8, steps=2).to_dict()
    plain = make("plain", recipe=recipe, **of_cells())
    headed = make("headed", RetrainOptions(auxiliary=0.4), recipe=recipe, **of_cells())
    networks = [train_network(run, data=large) for run in (plain, headed)]
    names = [list(network.state_dict()) for network in networks]
    assert names[0] == names[1]
    assert not any("auxiliary" in name for name in names[1])
    # Both begin with the same weights, and the head's gradient moved the second's.
    assert same(weights(plain.build()), weights(headed.build()))
    assert not same(*map(weights, networks))
    assert headed.load()(large.test.tensors()[0]).shape == (12, 3)


def test_auxiliary_loss_has_its_weight(large: ImageData) -> None:
    space = spaces.get("darts-tiny(auxiliary=True, channels=4, layers=3)")
    network = space.network(space.sample(np.random.default_rng(1)), 3)

    class Engine:
        def note(self, *given: Any) -> None:
            pass

    images, labels = large.test.tensors()
    engine: Any = Engine()
    losses = []
    for weight in (0.0, 0.4, 0.8):
        torch.manual_seed(0)
        algorithm = Retraining(network.train(), RECIPE, RetrainOptions(auxiliary=weight))
        with torch.no_grad():
            losses.append(algorithm.loss(images, labels, 0, engine))
    torch.testing.assert_close(losses[2] - losses[1], losses[1] - losses[0])
    assert losses[1] - losses[0] > 0.1


def test_a_supernets_weights_are_what_is_begun_with(
    make: Make,
    small: ChainSpace,
    images: ImageData,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    settings = {"kind": "supernet", "space": small.name, "data": {"num_classes": 3}, "seed": 1}
    supernet = begin(tmp_path / "supernet", RunSettings.from_dict(settings), resume=False)
    given = small.supernet(3, torch.Generator().manual_seed(8))
    architecture = small.architecture([3, 0, 1])
    given.activate(architecture)
    x = images.train.tensors()[0]
    with torch.no_grad():
        given.train()(x)
        expected = given.eval()(x)
    supernet.save(given)
    begun: list[torch.Tensor] = []
    monkeypatch.setattr(
        network_training,
        "fit",
        lambda algorithm, *given, **named: begun.append(algorithm.model.eval()(x).detach()),
    )
    monkeypatch.setattr(network_training, "recalibrate", lambda *arguments, **task: None)
    init = {"run": str(supernet.folder), "weights": supernet.weights_digest()}
    train_network(make("run", init=init), data=images)
    assert torch.equal(begun[0], expected)
    with pytest.raises(InvalidRun, match="its weights are not those that this training began with"):
        train_network(make("changed", init={**init, "weights": "0" * 16}), data=images)
    other = make("classes", init=init, data={"name": "made-up", "split_seed": 0, "num_classes": 4})
    with pytest.raises(InvalidRun, match="the supernet's classes are 3, the network's 4"):
        check(other, images)
    with pytest.raises(
        InvalidRun, match=r"the supernet's space is spos-tiny\(.*the network's darts-tiny"
    ):
        check(make("space", init=init, **of_cells()), images)


def test_what_a_network_has_no_place_for_is_refused(make: Make, images: ImageData) -> None:
    with pytest.raises(InvalidOption, match="drop_path is for networks of cells"):
        check(make("drop", RetrainOptions(drop_path=0.1)), images)
    with pytest.raises(
        InvalidOption, match=r"auxiliary: networks of spos-tiny.* have no auxiliary head"
    ):
        check(make("head", RetrainOptions(auxiliary=0.4)), images)
    with pytest.raises(InvalidOption, match="jitter needs pixels"):
        check(make("jitter", RetrainOptions(colour_jitter=0.4)), images)
    with pytest.raises(InvalidOption, match="mosaic joins images with boxes or masks"):
        check(make("mosaic", RetrainOptions(mosaic=0.5)), images)
    check(make("plain"), images)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("ema", 1.0),
        ("drop_path", -0.1),
        ("mixup", -1.0),
        ("auxiliary", -0.4),
        ("cutout", -1),
        ("colour_jitter", 1.5),
        ("mosaic", 1.5),
        ("norm_batches", -1),
    ],
)
def test_impossible_options_are_refused(field: str, value: float) -> None:
    with pytest.raises(InvalidOption, match=f"{field} must .*, not {value}"):
        RetrainOptions(**{field: value})  # type: ignore[arg-type]


def test_cutout_without_augmentation_is_refused() -> None:
    with pytest.raises(InvalidOption, match="remove --no-augment"):
        RetrainOptions(augment=False, cutout=8)
    with pytest.raises(InvalidOption, match="mosaic is an augmentation"):
        RetrainOptions(augment=False, mosaic=0.5)


def test_mosaics_are_recorded_where_there_are_any() -> None:
    assert RetrainOptions(mosaic=0.5).to_dict()["mosaic"] == 0.5
    # A run that was recorded before mosaics existed is resumed.
    assert "mosaic" not in RetrainOptions().to_dict()
    assert AugmentationSettings(True, mosaic=0.5).to_dict()["mosaic"] == 0.5
    assert "mosaic" not in AugmentationSettings(True).to_dict()


@pytest.mark.slow
def test_two_processes_share_a_retraining(make: Make, images: ImageData) -> None:
    recipe = dataclasses.replace(RECIPE, steps=6).to_dict()
    execution = Execution(devices=2, accelerator="cpu", checkpoint_every=3)
    run = make("two", RetrainOptions(ema=0.9), recipe=recipe)
    network = train_network(run, data=images, execution=execution)
    state = torch.load(run.folder / "last.ckpt", weights_only=True)["task"]["average"]
    assert state["updates"] == 6
    # What the processes averaged is what is delivered.
    assert all(
        torch.equal(value, state["weights"][name]) for name, value in network.named_parameters()
    )
    fresh = run.build().state_dict()
    assert not all(torch.equal(value, fresh[name]) for name, value in network.named_parameters())


def test_run_of_an_unknown_folder_is_told(tmp_path: Path, make: Make, images: ImageData) -> None:
    run = make("run", init={"run": str(tmp_path / "no"), "weights": "x"})
    with pytest.raises(InvalidRun, match="holds no run of Pathfit's"):
        check(Run(run.folder, run.settings), images)


def test_outputs_that_are_a_pair_are_those_of_the_task() -> None:
    """Without an auxiliary head, whose outputs are the second item of a pair too."""

    class Pair(nn.Module):
        def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
            return x, 2 * x

    class Both(Task):
        metrics: ClassVar[dict[str, Metric]] = {}

        def loss(self, outputs: Any, targets: Any, smoothing: float = 0.0) -> torch.Tensor:
            first, second = outputs
            loss: torch.Tensor = (first + second - targets).square().mean()
            return loss

        def tally(self, device: torch.device) -> Any:
            raise NotImplementedError

    noted: list[Any] = []
    engine = SimpleNamespace(note=lambda *values: noted.append(values))
    algorithm = Retraining(Pair(), Recipe(), RetrainOptions(), Passes(Both()))

    loss = algorithm.loss(torch.ones(2, 1), torch.zeros(2, 1), 0, engine)  # type: ignore[arg-type]

    assert loss.item() == 9.0
    ((_, outputs, _),) = noted
    assert len(outputs) == 2
