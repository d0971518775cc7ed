"""Searches of a model that fails with some combinations of its candidates."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import spaces
from oneshot import SearchProblem, run_search
from spaces import LayerChoice, ModelSpace
from spaces.space import Codes


class Shrinking(nn.Module):
    """Convolutions without padding, all of which together leave no image."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            LayerChoice({f"k{kernel}": nn.Conv2d(3, 3, kernel) for kernel in (1, 3)})
            for _ in range(4)
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x)
        assert x.shape[-1] > 1, "the image is too small"
        return x.mean((2, 3))


class Largest:
    """A guide that likes the broken combination best."""

    def __init__(self, space: ModelSpace) -> None:
        self.space = space

    def score(self, codes: Codes) -> tuple[np.ndarray, np.ndarray]:
        return codes.sum(1).astype(float), np.zeros(len(codes))

    def to_dict(self) -> dict[str, str]:
        return {"kind": "largest"}


@pytest.mark.parametrize("strategy", ["exhaustive", "random", "evolution", "aging"])
def test_a_broken_combination_is_infeasible(strategy: str) -> None:
    space = spaces.from_model(Shrinking(), torch.zeros(1, 3, 9, 9))
    result = run_search(SearchProblem(space, Largest(space)), strategy)
    assert [1, 1, 1, 1] not in result.codes.tolist()
    assert result.scores.max() == 3
