"""Wilson's interval."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from oneshot.tasks.classification import wilson


@pytest.mark.parametrize(
    ("top1", "count", "low", "high"),
    [
        (50, 100, 40.38, 59.62),
        (0, 10, 0.0, 27.75),
        (100, 10, 72.25, 100.0),
        (90, 400, 86.67, 92.57),
    ],
)
def test_known_figures(top1: float, count: int, low: float, high: float) -> None:
    assert wilson(top1, count) == pytest.approx((low, high), abs=0.01)


@given(count=st.integers(1, 2000), share=st.floats(0, 1))
def test_it_is_that_of_scipy(count: int, share: float) -> None:
    right = round(share * count)
    expected = binomtest(right, count).proportion_ci(0.95, method="wilson")
    found = wilson(100 * right / count, count)
    assert found == pytest.approx((100 * expected.low, 100 * expected.high), abs=0.01)
    assert 0 <= found[0] <= 100 * right / count + 1e-9
    assert 100 * right / count - 1e-9 <= found[1] <= 100
