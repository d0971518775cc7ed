"""Exhaustive search: all there is, or a refusal that tells how much that would be."""

from typing import Any

import numpy as np
import pytest

import spaces
from oneshot import SearchProblem, run_search
from oneshot.errors import InvalidOption
from oneshot.strategies.exhaustive import Exhaustive
from spaces import ChainSpace


def test_exhaustive_search_knows_everything(toy: Any, tiny: ChainSpace) -> None:
    guide = toy(tiny)
    result = run_search(SearchProblem(tiny, guide), "exhaustive")
    assert len(result) == 4096
    every = np.concatenate(list(tiny.enumerate_codes()))
    assert guide.asked == list(map(tuple, every.tolist()))
    assert [entry["evaluated"] for entry in result.history] == [1000, 2000, 3000, 4000, 4096]


def test_exhaustive_search_refuses_large_spaces_with_their_size(toy: Any) -> None:
    space = spaces.get("spos")
    with pytest.raises(
        InvalidOption, match=r"exhaustive: spos has 1\.1e\+12 architectures, too many to go through"
    ):
        Exhaustive(SearchProblem(space, toy(space)), np.random.default_rng(0))
