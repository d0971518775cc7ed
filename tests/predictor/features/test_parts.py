"""Sums of the parts of chains' blocks: what they are, and when the default predictor has them."""

from pathlib import Path

import numpy as np
import pytest

import predictor
import spaces
from predictor.features.groups import FeatureSet, groups, has_parts
from predictor.features.parts import part_sums
from predictor.gaussian.predictor import GaussianProcess
from predictor.metrics import kendall_tau
from spaces.space import Codes

FBNET = spaces.get("fbnet(num_classes=100)")


def codes_of(count: int, seed: int) -> Codes:
    return FBNET.sample(np.random.default_rng(seed), count)


def group_costs(codes: Codes) -> np.ndarray:
    """Return minus the latency of a device to which groups and large kernels cost, MACs do not."""
    costs = np.zeros(len(codes))
    for index, layer in enumerate(FBNET.choice_layers):
        candidate = np.array(
            [
                sum((b.kernel or 0) * 1.0 + 4.0 * ((b.groups or 1) > 1) for b in blocks)
                for blocks in layer.candidates.values()
            ]
        )
        costs += candidate[codes[:, index]]
    return -costs


def test_sums_do_not_depend_on_where_a_candidate_is() -> None:
    space = spaces.get("nasbench-macro")
    codes = np.array([[0, 1, 2, 0, 1, 2, 0, 1], [0, 1, 2, 0, 1, 2, 0, 1]])
    # Layers 3 and 4 are of one stage, with equal blocks.
    codes[1, [3, 4]] = codes[0, [4, 3]]

    first, second = part_sums(space, codes)
    np.testing.assert_allclose(first, second, atol=1e-5)


def test_sums_have_the_kernels_of_the_blocks() -> None:
    codes = codes_of(50, 0)
    kernels = np.array(
        [
            sum(
                block.kernel or 1
                for layer, code in zip(FBNET.choice_layers, row, strict=True)
                for block in list(layer.candidates.values())[code]
                if (block.kernel or 1) > 1
            )
            for row in codes
        ]
    )
    sums = part_sums(FBNET, codes)
    correlations = [np.corrcoef(kernels, column)[0, 1] for column in sums.T]
    assert max(correlations) == pytest.approx(1, abs=1e-5)


def test_groups_have_the_sums_only_where_they_are_requested() -> None:
    codes = codes_of(3, 0)
    assert "part_sums" not in groups(FBNET, codes)
    assert groups(FBNET, codes, FeatureSet(parts=True))["part_sums"].shape[0] == 3
    assert not has_parts(spaces.get("nasbench201"))
    assert not has_parts(spaces.get("ofa-mobilenetv3(resolutions=(160, 224))"))


def test_parts_are_learned_where_they_explain_values(tmp_path: Path) -> None:
    codes = codes_of(360, 1)
    values = group_costs(codes)
    model = GaussianProcess(FBNET)
    model.fit(codes[:60], values[:60])
    assert model.chosen.parts
    mean, deviation = model.predict(codes[60:])
    assert kendall_tau(mean, values[60:]) > 0.9

    model.save(tmp_path / "p.safetensors")
    loaded = predictor.load(tmp_path / "p.safetensors")
    for one, other in zip(loaded.predict(codes[60:]), (mean, deviation), strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4)


def test_parts_that_say_nothing_new_are_left_out() -> None:
    space = spaces.get("spos-tiny")
    codes = space.sample(np.random.default_rng(0), 60)
    model = GaussianProcess(space)
    model.fit(codes, -space.macs(codes).astype(np.float64))
    assert not model.chosen.parts


def test_file_without_the_decision_has_no_parts() -> None:
    codes = codes_of(30, 2)
    model = GaussianProcess(FBNET)
    model._solve(codes, group_costs(codes), model.auxiliary, np.zeros((30, 0)), lambda f, t: None)
    config, tensors = model.state()
    config.pop("with_parts")

    earlier = GaussianProcess.from_state(FBNET, config, tensors)
    assert not earlier.chosen.parts
    np.testing.assert_allclose(earlier.predict(codes)[0], model.predict(codes)[0], rtol=1e-4)
