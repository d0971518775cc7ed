"""Sums over choices, against sums written plainly."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray

from spaces.chains import additive as lookups
from spaces.chains.additive import AdditiveTable


def naive(table: AdditiveTable, codes: NDArray[Any]) -> list[float]:
    return [
        float(
            table.fixed
            + sum(float(term[code]) for term, code in zip(table.terms, row, strict=True))
        )
        for row in codes.tolist()
    ]


def random_codes(
    rng: np.random.Generator, counts: list[int], n: int, dtype: type = np.int64
) -> NDArray[Any]:
    return np.stack([rng.integers(count, size=n) for count in counts], axis=1).astype(dtype)


@st.composite
def tables(draw: st.DrawFn, most: int = 9) -> AdditiveTable:
    counts = draw(st.lists(st.integers(1, 9), min_size=1, max_size=most))
    kind = draw(st.sampled_from(["int64", "int8", "float64"]))
    values: st.SearchStrategy[Any] = (
        st.floats(-1e6, 1e6) if kind == "float64" else st.integers(-100, 100)
    )
    fixed = draw(values)
    return AdditiveTable(fixed, [draw(arrays(kind, count, elements=values)) for count in counts])


@given(table=tables(), seed=st.integers(0, 1000))
def test_sum_is_the_plain_sum(table: AdditiveTable, seed: int) -> None:
    codes = random_codes(
        np.random.default_rng(seed), [len(term) for term in table.terms], 17, np.int8
    )
    np.testing.assert_allclose(table(codes), naive(table, codes), rtol=1e-12, atol=1e-6)


@pytest.mark.parametrize(
    "counts",
    [
        [4] * 20,
        [4096, 4, 4],
        [5000, 3, 7],
        [3, 5000, 3],
        [40_000, 2],
        [17, 17, 17, 17],
        [64, 64, 1, 2],
        [1] * 30,
        [127, 32, 2],
    ],
    ids=str,
)
@pytest.mark.parametrize("kind", [np.int64, np.float64])
def test_sum_is_exact_for_any_number_of_candidates(counts: list[int], kind: type) -> None:
    rng = np.random.default_rng(0)
    table = AdditiveTable(
        5, [rng.integers(-1000, 10**9, size=count).astype(kind) for count in counts]
    )
    codes = random_codes(rng, counts, 50)
    codes[-1] = np.array(counts) - 1
    sums = table(codes)
    assert sums.dtype == kind
    assert sums.tolist() == naive(table, codes)


@pytest.mark.parametrize(
    "n", [0, 1, *(lookups._CHUNK + more for more in (-1, 0, 1)), 2 * lookups._CHUNK + 3]
)
def test_sum_is_right_at_the_edges_of_chunks(n: int) -> None:
    rng = np.random.default_rng(n)
    counts = [4, 3, 9, 50, 7, 13]
    terms = [rng.integers(0, 10**6, size=count) for count in counts]
    codes = np.asfortranarray(random_codes(rng, counts, n, np.int8))
    expected = 11 + sum(
        (term[codes[:, column]] for column, term in enumerate(terms)), np.zeros(n, dtype=np.int64)
    )
    sums = AdditiveTable(11, terms)(codes)
    assert sums.shape == (n,)
    assert np.array_equal(sums, expected)


def test_small_integers_do_not_wrap() -> None:
    table = AdditiveTable(0, [np.array([100, 120], dtype=np.int8)] * 30)
    assert table(np.ones((2, 30), dtype=np.int8)).tolist() == [3600, 3600]


def test_fixed_cost_keeps_its_fraction() -> None:
    assert AdditiveTable(0.25, [np.array([1, 2])])(np.array([[1]])).tolist() == [2.25]


def test_codes_are_not_modified() -> None:
    codes = np.full((3, 4), 3, dtype=np.int8)
    AdditiveTable(0, [np.arange(4)] * 4)(codes)
    assert (codes == 3).all()


@given(table=tables(most=3))
def test_bounds_are_those_of_brute_force(table: AdditiveTable) -> None:
    every = np.indices([len(term) for term in table.terms]).reshape(len(table.terms), -1).T
    sums = naive(table, every)
    (least, lightest), (greatest, heaviest) = table.bounds()
    assert (least, greatest) == pytest.approx((min(sums), max(sums)), rel=1e-12, abs=1e-6)
    assert naive(table, np.stack([lightest, heaviest])) == pytest.approx(
        [least, greatest], rel=1e-12, abs=1e-6
    )


def test_bounds_of_many_candidates() -> None:
    (least, lightest), (greatest, heaviest) = AdditiveTable(
        1, [np.arange(5000), -np.arange(300)]
    ).bounds()
    assert (least, lightest.tolist()) == (-298, [0, 299])
    assert (greatest, heaviest.tolist()) == (5000, [4999, 0])


# Expectations


@pytest.fixture
def small() -> AdditiveTable:
    rng = np.random.default_rng(4)
    return AdditiveTable(2.5, [rng.normal(size=count) for count in (2, 3, 4)])


@pytest.fixture
def probabilities() -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(4)
    drawn = [torch.rand(count, generator=generator, dtype=torch.float64) for count in (2, 3, 4)]
    return [(values / values.sum()).requires_grad_() for values in drawn]


def test_expected_is_that_of_brute_force(
    small: AdditiveTable, probabilities: list[torch.Tensor]
) -> None:
    total = 0.0
    for codes in itertools.product(range(2), range(3), range(4)):
        chance = np.prod(
            [values[code].item() for values, code in zip(probabilities, codes, strict=True)]
        )
        total += float(chance) * naive(small, np.array([codes]))[0]
    assert small.expected(probabilities).item() == pytest.approx(total, rel=1e-12)


def test_expected_of_certain_choices_is_the_sum(small: AdditiveTable) -> None:
    codes = np.array([[1, 2, 0], [0, 1, 3]])
    certain = [
        torch.eye(count, dtype=torch.float64)[codes[:, column]]
        for column, count in enumerate((2, 3, 4))
    ]
    found = small.expected(certain)
    assert found.shape == (2,)
    np.testing.assert_allclose(found.numpy(), small(codes), rtol=1e-12)


def test_gradient_of_expected_is_that_of_finite_differences(
    small: AdditiveTable, probabilities: list[torch.Tensor]
) -> None:
    small.expected(probabilities).backward()
    for column, values in enumerate(probabilities):
        for code in range(len(values)):
            ends = []
            for step in (1e-4, -1e-4):
                moved = [given.detach().clone() for given in probabilities]
                moved[column][code] += step
                ends.append(small.expected(moved).item())
            assert values.grad is not None
            assert values.grad[code].item() == pytest.approx((ends[0] - ends[1]) / 2e-4, rel=1e-6)


def test_expected_keeps_the_precision_of_the_probabilities(small: AdditiveTable) -> None:
    given = [torch.full((5, count), 1 / count) for count in (2, 3, 4)]
    assert small.expected(given).dtype == torch.float32
    assert small.expected(given).shape == (5,)


def test_expected_needs_every_choice(
    small: AdditiveTable, probabilities: list[torch.Tensor]
) -> None:
    with pytest.raises(ValueError, match=r"zip\(\) argument 2 is longer"):
        small.expected(probabilities[:2])
