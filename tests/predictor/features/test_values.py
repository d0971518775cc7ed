"""Numbers of ValueChoices as features: scales, sums, and predictors from before they existed."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import predictor
import spaces
from predictor.encoders.registry import encoder_class
from predictor.ensemble.fitting import Fitting
from predictor.ensemble.predictor import GraphPredictor
from predictor.features.groups import groups
from predictor.features.values import label_values, value_families, value_features
from predictor.metrics import kendall_tau
from predictor.registry import _class

ENCODERS = ["gates", "ta-gates", "mlp", "lstm", "gcn", "transformer"]


class Scaled(nn.Module):
    """Layers that multiply by values: two widths on one scale, a rate, sizes and a mode."""

    def __init__(self) -> None:
        super().__init__()
        self.first = spaces.ValueChoice([16, 32], key="first")
        self.rate = spaces.ValueChoice([0.1, 0.3], key="rate")
        self.second = spaces.ValueChoice([32, 64, 128], key="second")
        self.size = spaces.ValueChoice([(3, 1), (3, 6), (5, 6)], key="size")
        self.mode = spaces.ValueChoice(["linear", "cubic"], key="mode")

    def forward(self, x: Tensor) -> Tensor:
        values = [self.first(), self.rate(), self.second(), *self.size(), len(self.mode())]
        return x * sum(values)


@pytest.fixture(scope="module")
def space() -> spaces.SearchSpace:
    return spaces.from_model(Scaled(), torch.zeros(1, 4), name="scaled-values")


def test_choices_with_a_number_in_common_are_on_one_scale(space: spaces.SearchSpace) -> None:
    keys = [choice.key for choice in space.choices]
    scales = [tuple(keys[column] for column in family.columns) for family in value_families(space)]
    # Kernel and expansion of `size` are separate scales; `mode` has no numbers.
    assert sorted(scales) == [("first", "second"), ("rate",), ("size",), ("size",)]


def test_features_are_the_numbers_and_the_sum_of_a_scale(space: spaces.SearchSpace) -> None:
    architecture = space.architecture(
        {"first": "32", "rate": "0.1", "second": "128", "size": "(5, 6)", "mode": "cubic"}
    )
    features = value_features(space, space.encode([architecture]))[0]

    # Different numbers of the scales: widths 16 to 128, kernels 3 and 5, expansions 1 and 6.
    widths = np.array([16, 32, 64, 128])
    standardised = (np.array([32, 128]) - widths.mean()) / widths.std()
    expected = [*standardised, standardised.sum(), -1, 1, 1]
    assert sorted(features.tolist()) == pytest.approx(sorted(expected))


def test_labels_of_one_scale_are_ordered_and_standardised(space: spaces.SearchSpace) -> None:
    names = list(space.operations)
    table = label_values(space, names, first=1)
    assert table is not None
    widths = [table[1 + names.index(name)] for name in ("16", "32", "64", "128")]
    scale = int(np.flatnonzero(widths[0])[0])
    column = np.array([row[scale] for row in widths])
    assert (np.diff(column) > 0).all()
    assert column.mean() == pytest.approx(0, abs=1e-6)
    assert column.std() == pytest.approx(1, abs=1e-6)
    # Inputs and values without a number have none on any scale.
    assert not table[0].any()
    assert not table[1 + names.index("cubic")].any()


@pytest.mark.parametrize("name", ["nasbench201", "nasbench-macro", "spos-tiny", "darts-tiny"])
def test_spaces_without_value_choices_have_no_such_features(name: str) -> None:
    space = spaces.get(name)
    codes = space.sample(np.random.default_rng(0), 5)
    assert value_families(space) == ()
    assert "values" not in groups(space, codes)
    assert label_values(space, space.operations, first=1) is None


class Widths(nn.Module):
    """Twelve residual layers whose widths are ValueChoices."""

    def __init__(self) -> None:
        super().__init__()
        self.widths = nn.ModuleList(
            spaces.ValueChoice([1, 2, 4, 8, 16], key=f"width_{index}") for index in range(12)
        )

    def forward(self, x: Tensor) -> Tensor:
        for width in self.widths:
            x = x + 0 * width()
        return x


@pytest.mark.parametrize(("kind", "count", "least"), [("gp", 15, 0.85), ("forest", 20, 0.75)])
def test_a_sum_of_values_is_ranked_better_with_their_numbers(
    kind: str, count: int, least: float
) -> None:
    space = spaces.from_model(Widths(), torch.zeros(1, 4), name="value-widths")
    codes = space.sample(np.random.default_rng(0), 140)
    values = -np.array([1, 2, 4, 8, 16])[codes].sum(1).astype(float)

    taus = []
    for with_values in (False, True):
        model: Any = predictor.make(kind, space)
        model.with_values = with_values
        model.fit(codes[:count], values[:count])
        taus.append(kendall_tau(model.predict(codes[20:])[0], values[20:]))

    assert taus[1] > taus[0]
    assert taus[1] > least


@pytest.mark.parametrize("kind", ["gp", "blend", "forest", "boosting"])
def test_predictors_from_before_the_numbers_load_and_compute_as_before(kind: str) -> None:
    space = spaces.get("ofa-mobilenetv3(resolutions=(160,192,224))")
    codes = space.sample(np.random.default_rng(0), 30)
    values = -space.macs(codes).astype(float)
    model: Any = predictor.make(kind, space)
    model.with_values = False
    model.fit(codes[:20], values[:20])
    earlier = model.predict(codes)[0]

    if kind in ("gp", "blend"):
        config, tensors = model.state()
    else:
        config = {"seed": 0, "trained_on": {}}
        tensors = {
            "codes": torch.from_numpy(np.ascontiguousarray(codes[:20])),
            "values": torch.from_numpy(values[:20]),
        }
    # Files from before had no such entry.
    config.pop("with_values", None)
    loaded = _class(kind).from_state(space, config, tensors)

    np.testing.assert_array_equal(loaded.predict(codes)[0], earlier)


@pytest.mark.parametrize("kind", ENCODERS)
def test_encoders_from_before_the_numbers_load_and_compute_as_before(kind: str) -> None:
    space = spaces.get("ofa-mobilenetv3(resolutions=(160,192,224))")
    codes = space.sample(np.random.default_rng(0), 24)
    values = -space.macs(codes).astype(float)
    fitting = Fitting(epochs=1)
    model = GraphPredictor(space, members=2, fitting=fitting, encoder=kind, config={"values": None})
    model.fit(codes[:16], values[:16])
    config, tensors = model.state()

    # The version before, whose files do not name the argument.
    config = {**config, "config": {}, "encoder_version": encoder_class(kind).version - 1}
    loaded = GraphPredictor.from_state(space, config, tensors)

    np.testing.assert_array_equal(loaded.predict(codes)[0], model.predict(codes)[0])


@pytest.mark.parametrize("kind", ENCODERS)
def test_saved_encoders_with_values_predict_the_same(kind: str, tmp_path: Any) -> None:
    space = spaces.get("ofa-mobilenetv3(resolutions=(160,192,224))")
    codes = space.sample(np.random.default_rng(0), 24)
    model = GraphPredictor(space, members=2, fitting=Fitting(epochs=1), encoder=kind)
    model.fit(codes[:16], -space.macs(codes[:16]).astype(float))
    model.save(tmp_path / "model.safetensors")

    loaded = predictor.load(tmp_path / "model.safetensors")

    np.testing.assert_array_equal(loaded.predict(codes)[0], model.predict(codes)[0])
