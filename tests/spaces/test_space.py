"""What every space does with codes: encoding, sampling, variation, enumeration."""

import itertools
import random
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chi2

import spaces
from spaces import Block, ChainSpace, ChoiceLayer
from spaces.errors import InvalidArchitecture

NAMES = ("spos", "spos-tiny", "spos(input_size=160)", "spos-tiny(repeats=(1, 1, 3))")


def uneven(*counts: int) -> ChainSpace:
    """A space whose choices have `counts` candidates."""
    layers = [
        ChoiceLayer(f"c{index}", {f"o{code}": () for code in range(n)})
        for index, n in enumerate(counts)
    ]

    def classifier(classes: int) -> Block:
        return Block("classifier", (3, 4, 4), (classes,))

    return ChainSpace(
        "uneven",
        [*layers, classifier(2)],
        (3, 4, 4),
        2,
        classifier,
        lambda: lambda module, rng: None,
    )


@given(name=st.sampled_from(NAMES), data=st.data())
def test_encode_and_decode_are_inverse(name: str, data: st.DataObject) -> None:
    space = spaces.get(name)
    width = len(space.choices)
    rows = data.draw(
        st.lists(st.lists(st.integers(0, 3), min_size=width, max_size=width), max_size=4)
    )
    codes = np.array(rows, dtype=np.int64).reshape(len(rows), width)
    architectures = space.decode(codes)
    assert [architecture.space for architecture in architectures] == [name] * len(rows)
    assert space.encode(architectures).tolist() == rows
    assert space.decode(space.encode(architectures)) == architectures
    assert [space.architecture(row) for row in rows] == architectures
    assert [
        space.architecture(architecture.choices) for architecture in architectures
    ] == architectures


def test_codes_are_small_and_their_columns_contiguous() -> None:
    space = spaces.get("spos")
    codes = space.sample(np.random.default_rng(0), 100)
    for array in (codes, space.encode(space.decode(codes)), space.check(codes.astype(np.int64))):
        assert array.dtype == np.int8
        assert array.flags.f_contiguous
    assert uneven(128).dtype == np.int8
    assert uneven(129).dtype == np.int16
    last = uneven(300).architecture([299])
    assert last["c0"] == "o299"
    assert uneven(300).encode([last]).tolist() == [[299]]


@pytest.mark.parametrize("code", [-1, 4, 9])
def test_decode_refuses_codes_out_of_range(code: int) -> None:
    space = spaces.get("spos-tiny")
    codes = np.zeros((3, 6), dtype=np.int64)
    codes[1, 4] = code
    for method in (space.decode, space.check, space.codes, space.macs, space.params, space.graphs):
        with pytest.raises(
            InvalidArchitecture,
            match=f"layer_5: code {code} is out of range; there are 4 candidates",
        ):
            method(codes)


@pytest.mark.parametrize("shape", [(6,), (2, 5), (1, 2, 6)])
def test_codes_of_another_shape_are_refused(shape: tuple[int, ...]) -> None:
    space = spaces.get("spos-tiny")
    with pytest.raises(InvalidArchitecture) as caught:
        space.codes(np.zeros(shape, dtype=np.int8))
    assert str(caught.value) == f"codes of spos-tiny have the shape [n, 6], not {list(shape)}"


def test_architectures_of_another_space_are_refused() -> None:
    other = spaces.get("spos-tiny(input_size=16)").architecture([0] * 6)
    space = spaces.get("spos-tiny")
    named = r"an architecture of spos-tiny\(input_size=16\) was given to spos-tiny"
    for method in (
        space.blocks,
        space.macs,
        space.params,
        space.graph,
        space.network,
        lambda it: space.encode([it]),
    ):
        with pytest.raises(InvalidArchitecture, match=named):
            method(other)


# Randomness


@pytest.fixture
def untouched() -> Iterator[None]:
    """Fails where the global generators of random, numpy or torch moved."""

    def states() -> tuple[object, ...]:
        numpy_state = np.random.get_state()  # noqa: NPY002
        return random.getstate(), str(numpy_state), torch.get_rng_state().tolist()

    before = states()
    yield
    assert states() == before


Draw = Callable[[ChainSpace, np.random.Generator], NDArray[np.signedinteger]]
DRAWS: dict[str, Draw] = {
    "sample": lambda space, rng: space.sample(rng, 50),
    "sample-one": lambda space, rng: space.encode([space.sample(rng) for _ in range(20)]),
    "mutate": lambda space, rng: space.mutate(np.zeros((50, 20), np.int8), rng, 0.5),
    "crossover": lambda space, rng: space.crossover(
        np.zeros((50, 20), np.int8), np.ones((50, 20), np.int8), rng
    ),
}


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("draw", DRAWS.values(), ids=DRAWS)
def test_randomness_comes_from_the_generator_alone(draw: Draw) -> None:
    space = spaces.get("spos")
    assert isinstance(space, ChainSpace)
    first, again, other = (draw(space, np.random.default_rng(seed)) for seed in (7, 7, 8))
    assert np.array_equal(first, again)
    assert not np.array_equal(first, other)
    rng = np.random.default_rng(7)
    draw(space, rng)
    assert not np.array_equal(draw(space, rng), first)
    assert (first.dtype, first.flags.f_contiguous) == (np.int8, True)


def is_uniform(codes: NDArray[np.signedinteger], candidates: NDArray[np.signedinteger]) -> bool:
    """Whether each column's shares pass a chi-square test together, at one in a million."""
    statistic = 0.0
    for column, count in enumerate(candidates):
        seen = np.bincount(codes[:, column], minlength=count)
        expected = len(codes) / count
        statistic += float(((seen - expected) ** 2 / expected).sum())
    return bool(statistic < chi2.isf(1e-6, int((candidates - 1).sum())))


def test_samples_are_uniform() -> None:
    space = uneven(2, 3, 5, 7)
    codes = space.sample(np.random.default_rng(0), 20_000)
    assert is_uniform(codes, space.candidates)
    # Choices are independent: pairs are uniform as well.
    pairs = (codes[:, 1] + 3 * codes[:, 2])[:, None]
    assert is_uniform(pairs, np.array([15]))
    biased = np.where(np.random.default_rng(1).random(codes.shape) < 0.05, 0, codes)
    assert not is_uniform(biased, space.candidates)


def test_mutation_redraws_with_its_probability() -> None:
    space = spaces.get("spos")
    parents = np.full((5000, 20), 2, dtype=np.int8)
    kept = space.mutate(parents, np.random.default_rng(0), 0.0)
    redrawn = space.mutate(parents, np.random.default_rng(0), 1.0)
    assert np.array_equal(kept, parents)
    assert is_uniform(redrawn, space.candidates)
    # A redrawn gene is what it was in one case of four.
    changed = space.mutate(parents, np.random.default_rng(0), 0.1) != parents
    assert changed.mean() == pytest.approx(0.1 * 3 / 4, abs=0.004)
    # Genes change independently: their number has the variance of a binomial.
    assert changed.sum(1).var() == pytest.approx(20 * 0.075 * 0.925, rel=0.1)
    usual, tenth = (space.mutate(parents, np.random.default_rng(3), *rest) for rest in ((), (0.1,)))
    assert np.array_equal(usual, tenth)
    assert (parents == 2).all()


def test_crossover_takes_each_gene_from_a_parent() -> None:
    space = spaces.get("spos")
    rng = np.random.default_rng(0)
    mothers, fathers = space.sample(rng, 5000), space.sample(rng, 5000)
    children = space.crossover(mothers, fathers, rng)
    assert ((children == mothers) | (children == fathers)).all()
    differ = mothers != fathers
    assert (children == mothers)[differ].mean() == pytest.approx(0.5, abs=0.01)
    zeros, ones = np.zeros((5000, 20), np.int8), np.ones((5000, 20), np.int8)
    assert space.crossover(zeros, ones, rng).sum(1).var() == pytest.approx(20 / 4, rel=0.1)
    assert np.array_equal(space.crossover(mothers, mothers, rng), mothers)


# Enumeration


def test_enumeration_gives_every_architecture_once() -> None:
    space = spaces.get("spos-tiny")
    architectures = list(space.enumerate())
    assert len(architectures) == len(set(architectures)) == space.size == 4096


@pytest.mark.parametrize("batch", [1, 7, 64, 1 << 16])
def test_enumeration_varies_the_last_choice_fastest(batch: int) -> None:
    space = uneven(3, 2, 5)
    parts = list(space.enumerate_codes(batch))
    assert max(map(len, parts)) <= batch
    assert all(part.flags.f_contiguous and part.dtype == space.dtype for part in parts)
    assert np.concatenate(parts).tolist() == [
        list(codes) for codes in itertools.product(range(3), range(2), range(5))
    ]


def test_enumeration_of_a_large_space_begins_at_once() -> None:
    space = spaces.get("spos")
    last = spaces.get("spos").choices[-1].candidates
    assert [
        architecture["layer_20"] for architecture in itertools.islice(space.enumerate(), 4)
    ] == list(last)
    assert next(space.enumerate_codes(5)).tolist() == [
        [0] * 18 + [code // 4, code % 4] for code in range(5)
    ]


def test_one_hot_marks_each_choice_once() -> None:
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(0), 7)
    hot = space.one_hot(codes)
    assert hot.shape == (7, 24)
    assert (hot.reshape(7, 6, 4).argmax(2) == codes).all()
    assert (hot.sum(1) == 6).all()
