"""Costs as features: equal to sums over the blocks of networks."""

import numpy as np
import pytest

import spaces
from predictor.features.costs import costs
from predictor.features.groups import FeatureSet, groups


@pytest.mark.parametrize("name", ["nasbench101", "nasbench1shot1(subspace=1)"])
def test_costs_by_kind_are_sums_over_blocks(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 5)
    by_kind = np.expm1(costs(space, codes, by_kind=True))
    for row, architecture in zip(by_kind, space.decode(codes), strict=True):
        blocks = space.blocks(architecture)
        kinds = sorted({(block.operator, block.kernel or 0) for block in space.all_blocks.values()})
        assert len(row) == 2 + 2 * len(kinds)
        for column, kind in enumerate(kinds, 2):
            members = [block for block in blocks if (block.operator, block.kernel or 0) == kind]
            assert row[column] == pytest.approx(sum(block.macs for block in members))
            params = sum(block.params for block in members)
            assert row[column + len(kinds)] == pytest.approx(params)
        assert row[0] == pytest.approx(space.macs(architecture))
        assert row[1] == pytest.approx(space.params(architecture))


def test_costs_by_kind_of_an_ensemble_are_sums_over_its_members() -> None:
    member = spaces.get("nasbench101")
    ensemble = spaces.get("ensemble(space='nasbench101', members=2)")
    first, second = member.sample(np.random.default_rng(0), 10).reshape(2, 5, -1)

    values = costs(ensemble, np.asfortranarray(np.concatenate([first, second], 1)), by_kind=True)

    members = [costs(member, np.asfortranarray(codes), by_kind=True) for codes in (first, second)]
    expected = np.expm1(members[0]) + np.expm1(members[1])
    assert values.shape[1] > 2
    assert np.expm1(values) == pytest.approx(expected)


def test_costs_by_kind_tell_widths_apart() -> None:
    """Equal operations and lengths of paths, but channels that are shared by two vertices."""
    space = spaces.get("nasbench101")
    codes = space.sample(np.random.default_rng(1), 400)
    counts = space.block_counts(codes)
    keys = [key for key in counts[0] if "k3" in key and "conv" in key]
    number = counts[1][:, [counts[0].index(key) for key in keys]].sum(1)
    values = costs(space, codes, by_kind=True)
    kinds = sorted({(b.operator, b.kernel or 0) for b in space.all_blocks.values()})
    column = 2 + kinds.index(("conv", 3))
    same = number == np.bincount(number).argmax()
    assert len(np.unique(values[same, column])) > 5


def test_other_spaces_have_no_costs_by_kind() -> None:
    space = spaces.get("nasbench201")
    codes = space.sample(np.random.default_rng(0), 4)
    found = groups(space, codes, FeatureSet(costs_by_kind=True))["costs"]
    np.testing.assert_array_equal(found, groups(space, codes)["costs"])
    assert found.shape == (4, 2)
