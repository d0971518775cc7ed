"""Once-for-All in a single stage: the sandwich rule, in-place distillation, and what is
returned.
"""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.nn import functional

import spaces
from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.ofa import Ofa, OfaOptions
from oneshot.algorithms.ofa_paths import SandwichPaths
from oneshot.algorithms.registry import algorithm, make, preset
from oneshot.data.images import ImageData, ImageSplit
from oneshot.errors import InvalidOption
from oneshot.search.constraint import Constraint
from oneshot.training import Execution, fit
from oneshot.training.recipe import Recipe
from oneshot.training.stop import Stopped
from spaces.modules.elastic_supernet import elastic_of, extract
from tables.cost.model import counting_model

NAME = (
    "ofa-mobilenetv3(depths=(1, 2), expansions=(3, 4), kernels=(3, 5), resolutions=(16, 32),"
    " width=0.25)"
)
SHORT = Recipe(epochs=2, batch_size=24, learning_rate=0.02, schedule="cosine", nesterov=True)


@pytest.fixture(scope="module")
def pictures() -> ImageData:
    """Three classes that differ in their mean, 32 x 32."""
    generator = torch.Generator().manual_seed(0)

    def split(count: int) -> ImageSplit:
        labels = torch.arange(count) % 3
        return ImageSplit.from_tensors(
            torch.randn(count, 3, 32, 32, generator=generator) + labels[:, None, None, None], labels
        )

    return ImageData("made-up", split(48), split(24), split(24), num_classes=3, split_seed=0)


def make_ofa(
    data: ImageData, options: OfaOptions | None = None, recipe: Recipe = SHORT, **given: Any
) -> Ofa:
    space = spaces.get(given.pop("name", NAME))
    supernet = space.supernet(3, torch.Generator().manual_seed(1))
    setting = Setting(
        supernet, recipe, data.validation, len(data.train), seed=4, space=space, **given
    )
    found = make("ofa", setting, options or OfaOptions(samples=1, selection=4, selection_batches=1))
    assert isinstance(found, Ofa)
    return found


def test_a_sandwich_has_the_largest_and_the_smallest() -> None:
    space = spaces.get(NAME)
    paths = SandwichPaths(space, 0, 2)
    rows = paths.of(3)
    assert rows.shape == (4, len(space.choices))
    every = space.sample(np.random.default_rng(0), 3000)
    assert space.macs(rows[:1])[0] >= space.macs(every).max()
    assert space.macs(rows[-1:])[0] <= space.macs(every).min()
    assert np.array_equal(rows, paths.of(3))
    assert not np.array_equal(rows, paths.of(4))
    alone = SandwichPaths(space, 0, 3, sandwich=False).of(1)
    assert np.array_equal(alone, space.check(alone))
    assert len(alone) == 3
    assert paths.digest(0, 4) == SandwichPaths(space, 0, 2).digest(0, 4) != paths.digest(1, 4)


@pytest.mark.parametrize(
    ("head", "largest", "smallest"),
    [
        ("ssdlite(channels=(16,))", {"head_1": "k7w0.75"}, {"head_1": "k3w0.25"}),
        ("mask(widths=(8, 16))", {"head_1": "w16"}, {"head_1": "w8"}),
        ("fpn(width=8, extra=0)", {"head_5": "k7"}, {"head_5": "k3"}),
    ],
)
def test_sandwich_has_the_largest_and_the_smallest_head(
    head: str, largest: dict[str, str], smallest: dict[str, str]
) -> None:
    space = spaces.get("ofa-mobilenetv3(width=0.25, input_size=64)", head=head)
    paths = SandwichPaths(space, seed=0, samples=1)

    first, *_, last = space.decode(paths.of(0))

    assert largest.items() <= first.choices.items()
    assert smallest.items() <= last.choices.items()
    bounds = space.macs(space.sample(np.random.default_rng(0), 200))
    assert space.macs(last) <= bounds.min() <= bounds.max() <= space.macs(first)


def test_an_update_is_that_of_the_sandwich_written_out(pictures: ImageData, tmp_path: Path) -> None:
    """Gradients of the labels by the largest, of its probabilities by the others, all summed."""
    recipe = Recipe(
        steps=1,
        batch_size=24,
        learning_rate=0.05,
        momentum=0.0,
        weight_decay=0.0,
        schedule="constant",
    )
    search, other = make_ofa(pictures, recipe=recipe), make_ofa(pictures, recipe=recipe)
    for each in (search, other):
        for part in each.model.modules():
            if isinstance(part, torch.nn.Dropout):
                part.p = 0.0
    fit(search, pictures.train, tmp_path, seed=4)
    model = other.supernet.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images, labels = next(iter(pictures.train.epochs(24, 4)))
    total, soft = torch.zeros(()), torch.zeros(0)
    for number, row in enumerate(other.paths.of(0)):
        model.activate(row)
        logits = model(images.to(memory_format=torch.channels_last))
        if number == 0:
            total = functional.cross_entropy(logits, labels, label_smoothing=0.1)
            soft = logits.detach().softmax(1)
        else:
            total = total - (soft * logits.log_softmax(1)).sum(1).mean()
    total.backward()
    with torch.no_grad():
        for weight in model.parameters():
            if weight.grad is not None:
                weight -= 0.05 * weight.grad
    trained = dict(search.model.named_parameters())
    for name, value in model.named_parameters():
        torch.testing.assert_close(trained[name], value, rtol=1e-4, atol=1e-5)


def test_an_interrupted_training_ends_with_the_same_bits(
    pictures: ImageData, tmp_path: Path
) -> None:
    """Also across the update that sorts the channels."""
    options = OfaOptions(samples=1, largest_epochs=1, selection=3, selection_batches=1)

    def trained(folder: Path, stops: set[int]) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
        execution = Execution(checkpoint_every=1, report_every=1)
        for _ in range(len(stops) + 1):
            search = make_ofa(pictures, options, folder=folder)

            def progress(share: float, text: str) -> None:
                done = round(share * 4)
                if done in stops:
                    stops.discard(done)
                    raise KeyboardInterrupt

            folder.mkdir(exist_ok=True)
            try:
                fit(search, pictures.train, folder, seed=4, execution=execution, progress=progress)
            except (KeyboardInterrupt, Stopped):
                continue
            assert not stops
            return search.model.state_dict(), search.report()
        raise AssertionError("the training did not end")

    whole, report = trained(tmp_path / "whole", set())
    parts, again = trained(tmp_path / "parts", {1, 3})
    assert report == again
    for name, value in whole.items():
        assert torch.equal(value, parts[name]), name
    lines = [
        (tmp_path / folder / "architectures.jsonl").read_text() for folder in ("whole", "parts")
    ]
    assert lines[0] == lines[1]
    assert len(lines[0].splitlines()) == 2


def test_a_trained_part_is_its_network(pictures: ImageData, tmp_path: Path) -> None:
    search = make_ofa(pictures)
    fit(search, pictures.train, tmp_path, seed=4)
    supernet = search.supernet.eval()
    x = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))
    architecture = supernet.space.architecture(list(search.codes().values()))
    network = extract(supernet, architecture)
    size = supernet.space.input_shape_of(architecture)[1:]
    given = (
        x if size == (32, 32) else functional.interpolate(x, size, mode="bilinear", antialias=True)
    )
    with torch.no_grad():
        torch.testing.assert_close(network(given), supernet(x), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize(
    "seed", [0, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(1, 5))]
)
def test_the_known_best_resolution_is_returned(tmp_path: Path, seed: int) -> None:
    """What tells the classes apart is a pattern of single pixels, which nothing is left of at half
    the resolution.
    """
    generator = torch.Generator().manual_seed(seed)
    board = (torch.arange(32)[:, None] + torch.arange(32)) % 2 * 2.0 - 1.0

    def split(count: int) -> ImageSplit:
        labels = torch.arange(count) % 2
        noise = 0.3 * torch.randn(count, 3, 32, 32, generator=generator)
        return ImageSplit.from_tensors(noise + board * labels[:, None, None, None], labels)

    data = ImageData("boards", split(96), split(48), split(48), num_classes=2, split_seed=0)
    recipe = Recipe(
        steps=12, batch_size=32, learning_rate=0.05, schedule="cosine", label_smoothing=0.0
    )
    options = OfaOptions(samples=1, distillation=0.0, selection=8, selection_batches=1)
    search = make_ofa(data, options, recipe)
    fit(search, data.train, tmp_path, seed=seed)
    assert search.report()["architecture"]["resolution"] == "32"
    chosen = search.losses(np.array([list(search.codes().values())]))
    small = search.compared[search.compared[:, 0] == 0]
    assert len(small)
    assert chosen.item() < search.losses(small).min().item() - 0.2


def test_the_returned_network_meets_the_constraint(pictures: ImageData) -> None:
    space = spaces.get(NAME)
    model = counting_model(space, "macs")
    limit = float(np.quantile(space.macs(space.sample(np.random.default_rng(0), 500)), 0.1))
    search = make_ofa(pictures, constraint=Constraint("macs", limit, model), cost=model)
    report = search.report()
    assert (
        report["predicted_cost"]
        == space.macs(np.array([list(search.codes().values())]))[0]
        <= limit
    )
    assert report["expected_cost"] == pytest.approx(space.macs(search._drawn).mean())
    for row in report["probabilities"].values():
        assert sum(row.values()) == pytest.approx(1)


def test_comparing_leaves_the_training_as_it_is(pictures: ImageData) -> None:
    search = make_ofa(pictures)
    search.model.train()
    before = {name: value.clone() for name, value in search.model.state_dict().items()}
    search.codes()
    assert search.model.training
    assert all(
        torch.equal(value, before[name]) for name, value in search.model.state_dict().items()
    )


def test_only_elastic_supernets_are_taken(pictures: ImageData) -> None:
    with pytest.raises(InvalidOption, match="decoder, ofa-mobilenetv3 and ofa-proxyless"):
        make_ofa(pictures, name="spos-tiny")
    assert elastic_of(spaces.get(NAME).supernet()) is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"samples": -1}, "samples must be at least 0"),
        ({"distillation": 1.5}, r"distillation must lie in \[0, 1\]"),
        ({"sandwich": False}, "distillation needs the largest network"),
        ({"sandwich": False, "distillation": 0.0, "samples": 0}, "samples must be at least 1"),
    ],
)
def test_options_are_checked(given: dict[str, Any], message: str) -> None:
    with pytest.raises(InvalidOption, match=message):
        preset("ofa", given)


def test_presets_have_the_papers_settings() -> None:
    assert algorithm("ofa") is Ofa
    found = preset("ofa", {})
    assert (found.recipe.epochs, found.recipe.batch_size, found.recipe.learning_rate) == (
        180,
        2048,
        2.6,
    )
    assert (found.options.samples, found.options.sandwich, found.options.distillation) == (
        2,
        True,
        1.0,
    )
    assert preset("ofa", {"preset": "labels"}).options.sandwich is False
