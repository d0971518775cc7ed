"""Which networks are measured: every block, also those that only some combinations have."""

import numpy as np
import pytest

import spaces
from profiler.building.networks import covering_networks, latin_networks


@pytest.mark.parametrize(
    "name", ["ofa-mobilenetv3(resolutions=(64, 96))", "proxylessnas-tiny", "ofa-proxyless"]
)
def test_networks_of_irregular_spaces_exist(name: str) -> None:
    space = spaces.get(name)
    codes = latin_networks(space, np.random.default_rng(0))
    assert np.array_equal(space.check(codes), codes)
    assert len(codes) == space.candidates.max()


def test_few_networks_cover_what_is_missing() -> None:
    space = spaces.get("ofa-mobilenetv3", resolutions=(64, 96))
    rng = np.random.default_rng(1)
    codes = covering_networks(space, list(space.all_blocks), rng)
    keys, counts = space.block_counts(codes)
    assert set(keys) == set(space.all_blocks)
    assert counts.any(0).all()
    assert len(codes) < 40
    one = covering_networks(space, keys[-1:], rng)
    assert len(one) == 1
    assert space.block_counts(one)[1][0, -1] >= 1


def test_blocks_that_do_not_exist_are_not_searched_for_ever() -> None:
    space = spaces.get("spos-tiny")
    assert (
        len(covering_networks(space, ["conv k9 s1 relu 1x1x1 -> 1x1x1"], np.random.default_rng(0)))
        == 0
    )
