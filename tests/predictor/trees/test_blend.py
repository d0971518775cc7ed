"""The blend: its trees as arrays, its mean, its file."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.ensemble import GradientBoostingRegressor

import predictor
import spaces
from predictor.auxiliary import columns_from_table
from predictor.errors import InvalidPredictor, NotFitted
from predictor.gaussian.predictor import GaussianProcess
from predictor.metrics import kendall_tau
from predictor.serialization import read, write
from predictor.trees.blend import Blend
from predictor.trees.boosted import BoostedTrees

SPACE = spaces.get("spos-tiny")


@pytest.mark.parametrize("count", [10, 60])
def test_trees_are_those_of_scikit_learn(count: int) -> None:
    rng = np.random.default_rng(count)
    inputs = rng.integers(0, 4, size=(count, 6)).astype(np.float32)
    targets = np.sin(inputs[:, 0]) + 0.3 * inputs[:, 1] * inputs[:, 2]
    model = GradientBoostingRegressor(
        n_estimators=300, learning_rate=0.05, subsample=0.7, max_features="sqrt", random_state=3
    ).fit(inputs, targets)
    unseen = rng.uniform(-1, 5, size=(3000, 6)).astype(np.float32)
    trees = BoostedTrees.fit(inputs, targets, 3)
    np.testing.assert_allclose(trees(unseen), model.predict(unseen), rtol=0, atol=1e-9)
    assert len(trees(unseen[:0])) == 0


def known(count: int = 40) -> tuple[np.ndarray, np.ndarray]:
    codes = np.unique(SPACE.sample(np.random.default_rng(0), count), axis=0)
    return codes, np.array([0.0, 1.0, 1.6, 2.4])[codes].sum(1)


def test_the_mean_lies_between_process_and_trees(tmp_path: Path) -> None:
    codes, values = known()
    blend, process = predictor.make("blend", SPACE, 1), GaussianProcess(SPACE, 1)
    assert isinstance(blend, Blend)
    with pytest.raises(NotFitted):
        blend.save(tmp_path / "p.safetensors")
    blend.fit(codes, values)
    process.fit(codes, values)
    asked = SPACE.sample(np.random.default_rng(1), 200)
    mean, deviation = blend.predict_scores(asked)
    smooth, same = process.predict_scores(asked)
    assert blend.trees is not None
    by_trees = (mean - 0.7 * smooth) / 0.3
    assert np.corrcoef(by_trees, smooth)[0, 1] > 0.8
    assert np.abs(by_trees - smooth).max() > 0.01
    np.testing.assert_array_equal(deviation, same)

    path = tmp_path / "p.safetensors"
    blend.save(path)
    loaded = predictor.load(path)
    assert isinstance(loaded, Blend)
    np.testing.assert_array_equal(loaded.predict(asked)[0], blend.predict(asked)[0])
    assert loaded.trained_on == blend.trained_on

    config, tensors = read(path)
    write(path, config, {name: value for name, value in tensors.items() if name != "trees.leaves"})
    with pytest.raises(InvalidPredictor, match=r"the key 'leaves' is missing"):
        predictor.load(path)


def test_trees_weigh_less_the_more_is_known() -> None:
    codes, values = known(300)
    blend = Blend(SPACE)
    blend.fit(codes[:40], values[:40])
    assert blend.weight == pytest.approx(0.3)
    blend.fit(codes[:225], values[:225])
    assert blend.weight == pytest.approx(0.2)


def test_auxiliary_columns_reach_the_trees() -> None:
    codes, values = known(120)
    hidden = np.random.default_rng(2).permutation(np.linspace(-3, 3, len(codes)))
    blend = Blend(SPACE)
    blend.fit(codes[:60], values[:60] + hidden[:60], columns_from_table({"hidden": hidden}, codes))
    assert blend.trees is not None
    column = sum(part.shape[1] for part in blend.features.values()) - 1  # the last one
    assert (blend.trees.features[np.isfinite(blend.trees.thresholds)] == column).mean() > 0.01
    assert kendall_tau(blend.predict(codes[60:])[0], values[60:] + hidden[60:]) > 0.6
