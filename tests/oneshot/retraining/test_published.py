"""The papers' recipes are what the papers say, where the data set is one of theirs."""

import pytest

import spaces
from oneshot.retraining.options import RetrainOptions
from oneshot.retraining.published import RECIPES, published
from oneshot.training.recipe import Recipe


@pytest.mark.parametrize("name", RECIPES)
def test_recipes_are_recipes_of_spaces(name: str) -> None:
    assert name in spaces.available()
    Recipe(**RECIPES[name].recipe)
    RetrainOptions(**RECIPES[name].options)


def test_spos_is_retrained_as_its_release_does() -> None:
    found = published("spos(channel_scales=(0.5, 1.0))", 1_231_167)
    assert found is not None
    recipe = Recipe(**found.recipe)
    assert (recipe.updates(1202), recipe.batch_size, recipe.learning_rate, recipe.schedule) == (
        300_000,
        1024,
        0.5,
        "linear",
    )
    assert (recipe.momentum, recipe.weight_decay, recipe.label_smoothing) == (0.9, 4e-5, 0.1)
    assert recipe.rate_fraction(150_000, 300_000) == 0.5
    assert found.options["norm_batches"] == 1250


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
