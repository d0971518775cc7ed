"""Once-for-All's progressive shrinking: stages, rates, losses and resumption."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import spaces
from oneshot.algorithms import ofa_progressive
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.ofa import Ofa, OfaOptions
from oneshot.algorithms.ofa_paths import greatest, restricted_sample
from oneshot.algorithms.ofa_progressive import OfaProgressive, ProgressiveOptions, frozen_copy
from oneshot.algorithms.ofa_stages import STAGES
from oneshot.algorithms.registry import make, preset
from oneshot.data.images import ImageData, ImageSplit
from oneshot.data.registry import load
from oneshot.errors import InvalidOption
from oneshot.tasks.registry import make_task
from oneshot.training import Execution, fit
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped
from spaces.modules.elastic_supernet import elastic_of
from spaces.space import SearchSpace
from tests.published import published

NAME = (
    "ofa-mobilenetv3(depths=(1, 2, 3), expansions=(2, 3, 4), kernels=(3, 5), resolutions=(16, 32),"
    " width=0.25)"
)
TASKS = {"boxes": "detection", "mask": "segmentation"}
DATA = {"boxes": "shapes", "mask": "shape-masks"}
FEW = ProgressiveOptions(selection=2, selection_batches=1)
# As many updates as the release has epochs, divided by 10: each stage begins at an update.
SHORT = Recipe(steps=59, batch_size=8, learning_rate=0.02, schedule="cosine", nesterov=True)


@pytest.fixture(scope="module")
def pictures() -> ImageData:
    """Three classes that differ in their mean, 32 x 32."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> ImageSplit:
        labels = torch.arange(count) % 3
        images = torch.randn(count, 3, 32, 32, generator=generator) + labels[:, None, None, None]
        return ImageSplit.from_tensors(images, labels)

    return ImageData("made-up", split(16), split(8), split(8), num_classes=3, split_seed=0)


def progressive(data: ImageData, recipe: Recipe = SHORT, **more: Any) -> OfaProgressive:
    space = spaces.get(NAME)
    supernet = space.supernet(3, torch.Generator().manual_seed(1))
    setting = Setting(
        supernet, recipe, data.validation, len(data.train), seed=4, space=space, **more
    )
    algorithm = make("ofa-progressive", setting, FEW)
    assert isinstance(algorithm, OfaProgressive)
    return algorithm


def test_stages_are_those_of_the_release() -> None:
    names = ["largest", "kernel", "depth 1", "depth 2", "expand 1", "expand 2"]
    assert [stage.name for stage in STAGES] == names
    assert STAGES[0].rate == published("ofa.largest.learning_rate")
    assert STAGES[0].epochs == published("ofa.largest.epochs")
    for stage in STAGES[1:]:
        rate, epochs, sub_networks = published(f"ofa.{stage.name.replace(' ', '_')}")
        assert stage.rate == pytest.approx(rate * published("ofa.gpus"))
        assert (stage.epochs, stage.sub_networks) == (epochs, sub_networks)
        assert stage.warmup == (published("ofa.warmup_epochs") if epochs == 120 else 0)

    default = preset("ofa-progressive", {})
    assert default.recipe.epochs == sum(stage.epochs for stage in STAGES)
    assert default.recipe.learning_rate == STAGES[0].rate
    assert default.options.distillation == published("ofa.distillation")


def sizes(space: SearchSpace, stage: int) -> tuple[set[str], set[str], set[int], set[int]]:
    """Return the kernels, expansions, layers left out a stage, and resolutions of an update."""
    settings = STAGES[stage]
    rows = restricted_sample(
        space,
        np.random.default_rng(0),
        200,
        settings.kernels,
        settings.depths,
        settings.expansions,
    )
    kernels, expansions, skips = set(), set(), set()
    for architecture in space.decode(rows):
        layers = [name for key, name in architecture.choices.items() if key != "resolution"]
        names = [name for name in layers if name != "skip"]
        kernels |= {name.partition("e")[0] for name in names}
        expansions |= {name.partition("e")[2] for name in names}
        # Three layers in each stage of the network.
        skips |= {layers[at : at + 3].count("skip") for at in range(0, len(layers), 3)}
    return kernels, expansions, skips, set(rows[:, 0].tolist())


def test_each_stage_has_its_elastic_sizes() -> None:
    space = spaces.get(NAME)
    both = {"k3", "k5"}
    expected = [
        ({"k5"}, {"4"}, {0}),
        (both, {"4"}, {0}),
        (both, {"4"}, {0, 1}),
        (both, {"4"}, {0, 1, 2}),
        (both, {"3", "4"}, {0, 1, 2}),
        (both, {"2", "3", "4"}, {0, 1, 2}),
    ]
    for stage, elastic in enumerate(expected):
        *found, resolutions = sizes(space, stage)
        assert tuple(found) == elastic, STAGES[stage].name
        assert len(resolutions) == 1


def test_rates_follow_the_stages(pictures: ImageData) -> None:
    steps = 5900
    search = progressive(pictures, Recipe(steps=steps, learning_rate=2.6, schedule="cosine"))
    search.optimizers(steps)

    for index, stage in enumerate(STAGES):
        begin, end = search.bounds[index : index + 2]
        assert end - begin == 10 * stage.epochs
        assert search.stage_index(begin) == index == search.stage_index(end - 1)
        peak = 2.6 * search.rate_fraction(begin + 10 * stage.warmup)
        assert peak == pytest.approx(stage.rate)
        assert search.rate_fraction(end - 1) < 0.01
        if stage.warmup:
            assert search.rate_fraction(begin) < 0.05


def test_an_update_adds_the_labels_and_the_largest_network(
    pictures: ImageData, tmp_path: Path
) -> None:
    """The teacher is the largest network as its own training left it."""
    search = progressive(pictures)
    other = progressive(pictures)
    step = search.bounds[3] + 1
    fixed = frozen_copy(other.supernet)
    search._teacher = frozen_copy(search.supernet)
    rows = search.rows(step)
    images, labels = next(iter(pictures.train.epochs(8, 4)))
    for model in (search.supernet, search._teacher, other.supernet, fixed):
        for module in model.modules():
            if isinstance(module, torch.nn.Dropout):
                module.p = 0.0

    class Recorder:
        """Engine that only sums gradients."""

        fabric = type("Fabric", (), {"global_rank": 0})
        autocast = staticmethod(torch.enable_grad)
        optimizers: tuple[Any, ...] = ()

        def note(self, *values: Any) -> None: ...
        def update(self) -> None: ...
        def backward(self, loss: torch.Tensor) -> None:
            loss.backward()

    search.supernet.train()
    search.step([(images, labels)], step, Recorder())  # type: ignore[arg-type]

    largest = greatest(other.supernet.space)
    largest[0] = rows[0][0]
    fixed.activate(largest)
    soft = fixed(images).softmax(1)
    other.supernet.train()
    total = torch.zeros(())
    assert len(rows) == 2
    for row in rows:
        other.supernet.activate(row)
        logits = other.supernet(images)
        total = total + functional.cross_entropy(logits, labels, label_smoothing=0.1)
        total = total - (soft * logits.log_softmax(1)).sum(1).mean()
    total.backward()
    gradients = dict(search.model.named_parameters())
    assert sum(float(v.grad.norm()) for v in gradients.values() if v.grad is not None) > 1
    for name, value in other.model.named_parameters():
        if value.grad is not None:
            torch.testing.assert_close(gradients[name].grad, value.grad, rtol=1e-3, atol=1e-5)


def test_an_interrupted_training_ends_with_the_same_bits(
    pictures: ImageData, tmp_path: Path
) -> None:
    """Also across the ends of stages, of which the first makes the teacher."""
    recipe = Recipe(steps=12, batch_size=8, learning_rate=0.02, schedule="cosine")

    def trained(folder: Path, stops: set[int]) -> dict[str, torch.Tensor]:
        execution = Execution(checkpoint_every=1, report_every=1)
        folder.mkdir()
        for _ in range(len(stops) + 1):
            search = progressive(pictures, recipe, folder=folder)

            def progress(fraction: float, text: str) -> None:
                done = round(fraction * 12)
                if done in stops:
                    stops.discard(done)
                    raise KeyboardInterrupt

            try:
                fit(search, pictures.train, folder, seed=4, execution=execution, progress=progress)
            except (KeyboardInterrupt, Stopped):
                continue
            return search.model.state_dict()
        raise AssertionError("the training did not end")

    bounds = progressive(pictures, recipe).bounds
    whole = trained(tmp_path / "whole", set())
    parts = trained(tmp_path / "parts", {bounds[1], bounds[1] + 1, bounds[4]})

    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name


def test_one_stage_of_all_sizes_is_the_single_stage(
    pictures: ImageData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Given the same sub-networks, the weights are equal to the last bit."""
    recipe = Recipe(steps=4, batch_size=8, learning_rate=0.02, schedule="cosine", nesterov=True)
    stage = replace(STAGES[-1], epochs=1, warmup=0, sorts=False)
    monkeypatch.setattr(ofa_progressive, "STAGES", (stage,))
    monkeypatch.setattr(ofa_progressive, "EPOCHS", stage.epochs)
    staged = progressive(pictures, recipe)
    supernet = staged.supernet.space.supernet(3, torch.Generator().manual_seed(1))
    setting = replace(staged.setting, model=supernet)
    options = OfaOptions(
        samples=stage.sub_networks,
        sandwich=False,
        distillation=0.0,
        selection=FEW.selection,
        selection_batches=FEW.selection_batches,
    )
    single = make("ofa", setting, options)
    assert isinstance(single, Ofa)
    monkeypatch.setattr(single.paths, "of", staged.rows)
    before = {name: value.clone() for name, value in single.model.state_dict().items()}

    for name, algorithm in (("staged", staged), ("single", single)):
        fit(algorithm, pictures.train, tmp_path / name, seed=4)

    weights = single.model.state_dict()
    for name, value in staged.model.state_dict().items():
        assert torch.equal(value, weights[name]), name
    assert any(not torch.equal(value, before[name]) for name, value in weights.items())


def test_sorting_for_the_last_stage_keeps_the_trained_width() -> None:
    space = spaces.get(NAME)
    # In training, since untrained statistics let outputs vanish.
    supernet = frozen_copy(space.supernet(3, torch.Generator().manual_seed(1)))
    elastic = elastic_of(supernet)
    assert elastic is not None
    images = torch.randn(8, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    for module in supernet.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0

    def outputs(expansion: str) -> torch.Tensor:
        choices = {
            choice.key: f"k5e{expansion}" if choice.key != "resolution" else "32"
            for choice in space.choices
        }
        supernet.activate(space.architecture(choices))
        with torch.no_grad():
            result: torch.Tensor = supernet(images)
        return result

    before = {expansion: outputs(expansion) for expansion in "234"}
    elastic.sort_channels(3)

    for expansion in "34":
        torch.testing.assert_close(outputs(expansion), before[expansion], rtol=1e-3, atol=1e-4)
    assert (outputs("2") - before["2"]).abs().max() > 0.01
    elastic.sort_channels()
    assert (outputs("3") - before["3"]).abs().max() > 0.01


@pytest.mark.parametrize("head", ["ssdlite(channels=(16,))", "fpn(width=8)", "mask(widths=(8,))"])
def test_expansions_are_those_of_layers_rather_than_heads(head: str) -> None:
    name = f"ofa-mobilenetv3(expansions=(3, 4), width=0.25, input_size=64, head={head})"
    space = spaces.get(name)
    task = make_task(TASKS[space.head], space)
    data = load(DATA[space.head], space.input_shape, limit=8)
    supernet = space.supernet(data.num_classes, torch.Generator().manual_seed(0))
    setting = Setting(supernet, SHORT, data.validation, 8, seed=0, space=space, task=task)

    algorithm = make("ofa-progressive", setting, FEW)

    assert isinstance(algorithm, OfaProgressive)
    assert algorithm.expansions == [3, 4]
    for step in algorithm.bounds[:-1]:
        assert len(algorithm.rows(step)) >= 1


def test_warmup_of_ones_own_is_refused(pictures: ImageData) -> None:
    with pytest.raises(InvalidOption, match="warmup must be 0, not 3"):
        progressive(pictures, Recipe(steps=59, warmup=3))
