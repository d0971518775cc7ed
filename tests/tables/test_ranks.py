"""Rank correlation agrees with scipy's."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import spearmanr

from tables.ranks import spearman


@given(st.lists(st.tuples(st.integers(-4, 4), st.integers(-4, 4)), min_size=3, max_size=40))
def test_ties_count_as_in_scipy(pairs: list[tuple[int, int]]) -> None:
    first, second = np.array(pairs, dtype=float).T
    if first.std() == 0 or second.std() == 0:
        assert np.isnan(spearman(first, second))
        assert spearman(first, second, constant=0.0) == 0
    else:
        assert spearman(first, second) == spearmanr(first, second).statistic
