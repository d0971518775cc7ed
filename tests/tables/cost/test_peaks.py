"""Peaks over choices, against maxima written plainly."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from tables.cost.peaks import PeakTable


def plain(table: PeakTable, codes: NDArray[Any]) -> list[int]:
    return [
        max(table.fixed, *(int(term[code]) for term, code in zip(table.terms, row, strict=True)))
        for row in codes.tolist()
    ]


def every(table: PeakTable) -> NDArray[np.int64]:
    return np.array(list(itertools.product(*(range(len(term)) for term in table.terms))))


@st.composite
def tables(draw: st.DrawFn) -> PeakTable:
    counts = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    values = st.integers(0, 12)
    return PeakTable(
        draw(values), [draw(arrays("int64", count, elements=values)) for count in counts]
    )


@given(table=tables())
def test_a_peak_is_the_greatest_part(table: PeakTable) -> None:
    codes = every(table)
    assert table(codes).tolist() == plain(table, codes)
    (least, lightest), (greatest, heaviest) = table.bounds()
    peaks = plain(table, codes)
    assert (least, greatest) == (min(peaks), max(peaks))
    assert table(np.stack([lightest, heaviest])).tolist() == [least, greatest]


def test_large_spaces_are_looked_up_in_groups() -> None:
    rng = np.random.default_rng(0)
    table = PeakTable(1000, [rng.integers(0, 10**9, size=count) for count in [4] * 20 + [5000, 3]])
    codes = np.stack([rng.integers(len(term), size=70_000) for term in table.terms], axis=1).astype(
        np.int16
    )
    assert table(codes).tolist() == plain(table, codes)
    assert table(codes[:0]).shape == (0,)


@given(table=tables(), maximum=st.floats(0, 13))
def test_architectures_within_a_peak_are_those_of_the_allowed_candidates(
    table: PeakTable, maximum: float
) -> None:
    codes = every(table)
    allowed = table.within(maximum)
    made_of = np.all([given[codes[:, column]] for column, given in enumerate(allowed)], axis=0)
    assert np.array_equal(made_of, table(codes) <= maximum)


@given(table=tables(), seed=st.integers(0, 1000))
def test_the_expectation_is_exact(table: PeakTable, seed: int) -> None:
    generator = torch.Generator().manual_seed(seed)
    given = [
        torch.rand(len(term), generator=generator, dtype=torch.float64).softmax(0)
        for term in table.terms
    ]
    codes = every(table)
    chances = np.prod([row.numpy()[codes[:, column]] for column, row in enumerate(given)], axis=0)
    expected = float(chances @ table(codes))
    assert float(table.expected(given)) == pytest.approx(expected, rel=1e-9, abs=1e-9)
    stacked = [torch.stack([row, row]) for row in given]
    assert table.expected(stacked).tolist() == pytest.approx(
        [expected, expected], rel=1e-9, abs=1e-9
    )
    sure = [
        torch.nn.functional.one_hot(torch.tensor(0), len(term)).double() for term in table.terms
    ]
    assert float(table.expected(sure)) == plain(table, codes[:1])[0]


def test_its_gradient_is_the_finite_difference() -> None:
    table = PeakTable(3, [np.array([1, 5, 9]), np.array([2, 8]), np.array([5, 5, 7])])
    generator = torch.Generator().manual_seed(1)
    logits = [
        torch.rand(2, len(t), generator=generator, dtype=torch.float64, requires_grad=True)
        for t in table.terms
    ]

    def expected(*rows: torch.Tensor) -> torch.Tensor:
        return table.expected([row.softmax(-1) for row in rows])

    assert torch.autograd.gradcheck(expected, logits)


def test_what_is_always_needed_has_no_gradient() -> None:
    table = PeakTable(10, [np.array([1, 5]), np.array([2, 10])])
    given = [torch.full((2,), 0.5, requires_grad=True) for _ in table.terms]
    found = table.expected(given)
    assert float(found.detach()) == 10
    found.backward()
    assert all(row.grad is not None and not row.grad.any() for row in given)
