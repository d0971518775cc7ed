"""The papers' recipes are what the papers say, where the data set is one of theirs."""

import pytest

import spaces
from oneshot.algorithms.training import augmentation_settings
from oneshot.retraining.options import RetrainOptions
from oneshot.retraining.published import RECIPES, published
from oneshot.training.recipe import Recipe, supernet_recipe
from tests.published import published as constant


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_recipes_of_spaces(name: str) -> None:
    assert name in spaces.available()
    Recipe(**RECIPES[name].recipe)
    RetrainOptions(**RECIPES[name].options)


def test_spos_is_retrained_as_its_release_does() -> None:
    found = published("spos(channel_scales=(0.5, 1.0))", 1_231_167)
    assert found is not None
    recipe = Recipe(**found.recipe)
    steps = constant("spos.network.steps")
    assert recipe.updates(1202) == steps
    assert recipe.batch_size == constant("spos.network.batch")
    assert recipe.learning_rate == constant("spos.network.learning_rate")
    assert recipe.momentum == constant("spos.supernet.momentum")
    assert recipe.weight_decay == constant("spos.network.weight_decay")
    assert recipe.label_smoothing == constant("spos.network.label_smoothing")
    assert [recipe.rate_fraction(steps * n // 4, steps) for n in range(5)] == [
        1,
        0.75,
        0.5,
        0.25,
        0,
    ]
    assert found.options["colour_jitter"] == constant("spos.network.colour_jitter")
    assert found.options["norm_batches"] == constant("spos.network.norm_batches")


@pytest.mark.parametrize(
    ("space", "row"),
    [
        ("darts", "darts.network.norm_batches"),
        ("darts-imagenet", "darts.imagenet.norm_batches"),
        ("nasbench201", "nasbench201.network.norm_batches"),
        ("proxylessnas", "proxylessnas.network.norm_batches"),
    ],
)
def test_other_releases_have_no_final_pass(space: str, row: str) -> None:
    assert RECIPES[space].options["norm_batches"] == constant(row)


def test_the_supernet_of_spos_is_trained_as_its_release_does() -> None:
    recipe = supernet_recipe("spos", 1_231_167)
    assert recipe.updates(1202) == constant("spos.supernet.steps")
    assert recipe.batch_size == constant("spos.supernet.batch")
    assert recipe.learning_rate == constant("spos.supernet.learning_rate")
    assert recipe.momentum == constant("spos.supernet.momentum")
    assert recipe.weight_decay == constant("spos.supernet.weight_decay")
    assert recipe.label_smoothing == constant("spos.supernet.label_smoothing")
    jitter = augmentation_settings("spos", 1_231_167).colour_jitter
    assert jitter == constant("spos.supernet.colour_jitter")


def test_darts_has_its_head_and_its_drop_path() -> None:
    found = published("darts(channels=16)", 45_000)
    assert found is not None
    assert (found.options["auxiliary"], found.options["drop_path"], found.options["cutout"]) == (
        0.4,
        0.2,
        16,
    )
    assert Recipe(**found.recipe).clip == 5


@pytest.mark.parametrize(
    ("space", "images"), [("spos", 1000), ("spos-tiny", 10**7), ("darts-imagenet", 45_000)]
)
def test_small_data_and_other_spaces_have_none(space: str, images: int) -> None:
    assert published(space, images) is None
