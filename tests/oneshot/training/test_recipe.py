"""Recipes: schedules, what is refused, and what is published."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oneshot.errors import InvalidOption
from oneshot.training.recipe import SMALL, Recipe, supernet_recipe


@pytest.mark.parametrize(
    ("field", "value", "said"),
    [
        ("epochs", 0, "epochs must be positive, not 0"),
        ("batch_size", -1, "batch_size must be positive, not -1"),
        ("learning_rate", 0.0, "learning_rate must be positive, not 0.0"),
        ("learning_rate", math.inf, "learning_rate must be positive, not inf"),
        ("steps", 0, "steps must be positive, not 0"),
        ("clip", -1.0, "clip must be positive, not -1.0"),
        ("weight_decay", -1e-4, "weight_decay must be at least 0, not -0.0001"),
        ("warmup", -1, "warmup must be at least 0, not -1"),
        ("label_smoothing", 1.0, r"label_smoothing must lie in \[0, 1\), not 1.0"),
        ("label_smoothing", -0.1, r"label_smoothing must lie in \[0, 1\), not -0.1"),
        ("momentum", 1.0, r"momentum must lie in \[0, 1\), not 1.0"),
        ("schedule", "step", "schedule must be one of linear, cosine, constant, not 'step'"),
    ],
)
def test_impossible_recipes_are_refused(field: str, value: Any, said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        Recipe(**{field: value})


def test_nesterov_needs_momentum() -> None:
    with pytest.raises(InvalidOption, match="nesterov needs a momentum above 0"):
        Recipe(nesterov=True, momentum=0.0)


@given(
    schedule=st.sampled_from(["linear", "cosine", "constant"]),
    steps=st.integers(2, 500),
    share=st.floats(0, 0.9),
)
def test_rates_rise_and_fall(schedule: str, steps: int, share: float) -> None:
    warmup = int(share * steps)
    recipe = Recipe(schedule=schedule, warmup=warmup, steps=steps)
    rates = [recipe.rate_fraction(step, steps) for step in range(steps + 1)]
    assert all(0 <= rate <= 1 for rate in rates)
    assert rates[: warmup + 1] == sorted(rates[: warmup + 1])
    assert rates[warmup] == 1
    assert rates[warmup:] == sorted(rates[warmup:], reverse=True)
    assert rates[-1] == (1 if schedule == "constant" else pytest.approx(0, abs=1e-12))


def test_the_published_recipe_is_for_many_images() -> None:
    """arXiv 1904.00420 and its release; small data keep small numbers."""
    published = supernet_recipe("spos", 1_231_167)
    assert published.to_dict() == {
        "epochs": 60,  # not used: there are steps
        "batch_size": 1024,
        "learning_rate": 0.5,
        "momentum": 0.9,
        "weight_decay": 4e-5,
        "label_smoothing": 0.1,
        "steps": 150_000,
        "schedule": "linear",
        "warmup": 0,
        "clip": None,
        "nesterov": False,
        "optimizer": "sgd",
    }
    assert published.updates(1203) == 150_000
    assert published.rate_fraction(75_000, 150_000) == 0.5
    assert supernet_recipe("spos(input_size=160)", 1_231_167) == published
    assert supernet_recipe("spos", 1000) == SMALL == supernet_recipe("spos-tiny", 1_231_167)
