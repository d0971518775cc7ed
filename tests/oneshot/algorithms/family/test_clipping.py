"""Which gradients the recipe's bound clips."""

from pathlib import Path
from typing import Any

import pytest
import torch

from oneshot.training.recipe import Recipe
from tests.published import published

CLIP = 1e-4


def norms(searches: Any, folder: Path, name: str, **options: Any) -> list[list[float]]:
    """Return the norms of the weights' and the logits' gradients by update."""
    recipe = Recipe(epochs=1, batch_size=32, learning_rate=0.2, weight_decay=0.0, clip=CLIP)
    algorithm = searches.algorithm(name, recipe=recipe, **options)
    make = algorithm.optimizers
    observed: list[list[float]] = [[], []]

    def watched(steps: int) -> Any:
        pairs = make(steps)
        for (optimizer, _), values in zip(pairs, observed, strict=True):

            def note(
                optimizer: Any, args: Any, keywords: Any, values: list[float] = values
            ) -> None:
                gradients = [
                    weight.grad
                    for group in optimizer.param_groups
                    for weight in group["params"]
                    if weight.grad is not None
                ]
                values.append(float(torch.nn.utils.get_total_norm(gradients)))

            optimizer.register_step_pre_hook(note)
        return pairs

    algorithm.optimizers = watched
    searches.train(algorithm, folder)
    return observed


@pytest.mark.parametrize("name", ["darts", "gdas", "snas"])
def test_the_bound_clips_weights_and_not_logits(name: str, searches: Any, tmp_path: Path) -> None:
    weights, logits = norms(searches, tmp_path, name)

    assert max(weights) <= CLIP * 1.001
    assert (max(logits) <= CLIP * 1.001) == published(f"{name}.clips_logits")


def test_logits_are_clipped_on_request(searches: Any, tmp_path: Path) -> None:
    """Runs recorded before `arch_clip` existed were trained in this way."""
    _, logits = norms(searches, tmp_path, "darts", arch_clip=CLIP)

    assert max(logits) <= CLIP * 1.001
