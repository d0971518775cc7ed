"""The mean of Gaussian processes that lack a group of features each."""

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

import predictor
import spaces
from predictor.features.groups import FeatureSet
from predictor.gaussian import predictor as predictor_module
from predictor.gaussian.ensemble import ProcessEnsemble
from predictor.gaussian.predictor import GaussianProcess
from predictor.gaussian.priors import GroupPrior
from predictor.gaussian.process import ExactProcess
from spaces.space import Codes

CELLS = spaces.get("nasbench201")


def inputs(count: int) -> tuple[dict[str, NDArray[np.float64]], NDArray[np.float64]]:
    rng = np.random.default_rng(0)
    features = {"paths": rng.normal(size=(count, 3)), "costs": rng.normal(size=(count, 2))}
    return features, np.sin(features["paths"][:, 0]) + 0.3 * features["costs"][:, 1]


def cells(count: int) -> tuple[Codes, NDArray[np.float64]]:
    codes = CELLS.sample(np.random.default_rng(0), count)
    return codes, np.log(1.0 + CELLS.macs(codes))


def test_predictions_are_those_of_the_mixture() -> None:
    features, targets = inputs(25)
    ensemble = ProcessEnsemble(features, targets, [("costs",)], steps=10)
    alone = [
        ExactProcess(groups, targets, steps=10)
        for groups in (features, {"paths": features["paths"]})
    ]

    unseen, _ = inputs(7)
    mean, deviation = ensemble.predict(unseen)
    means, deviations = np.array([process.predict(unseen) for process in alone]).swapaxes(0, 1)
    inverse = [np.square(targets - process.left_out_mean).mean() ** -4 for process in alone]
    weights = np.array(inverse) / np.sum(inverse)
    np.testing.assert_allclose(mean, weights @ means)

    # The second moment of the mixture is the mean of theirs.
    second_moment = weights @ (np.square(means) + np.square(deviations))
    np.testing.assert_allclose(np.square(mean) + np.square(deviation), second_moment)


def test_process_without_what_decides_hardly_counts() -> None:
    features, _ = inputs(40)
    targets = features["costs"][:, 0]
    ensemble = ProcessEnsemble(features, targets, [("costs",)])
    assert ensemble.weights[1] < 0.05
    assert np.abs(ensemble.left_out_mean - targets).mean() < 0.2


def test_without_omitted_groups_it_is_one_process() -> None:
    features, targets = inputs(20)
    ensemble = ProcessEnsemble(features, targets, steps=5)
    process = ExactProcess(features, targets, steps=5)
    np.testing.assert_array_equal(ensemble.left_out_mean, process.left_out_mean)
    np.testing.assert_array_equal(ensemble.predict(features), process.predict(features))


def test_progress_rises_to_one_over_all_processes() -> None:
    features, targets = inputs(12)
    fractions: list[float] = []
    ProcessEnsemble(features, targets, [("costs",)], fractions.append, steps=4)
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1
    assert len(fractions) == 8


@pytest.mark.parametrize("kind", ["gp", "blend"])
def test_loaded_ensembles_predict_the_same(kind: str, tmp_path: Path) -> None:
    codes, values = cells(30)
    model = predictor.make(kind, CELLS)
    model.fit(codes, values)
    assert isinstance(model, GaussianProcess)
    assert model.processes is not None
    assert len(model.processes.processes) > 1

    model.save(tmp_path / "model.safetensors")
    loaded = predictor.load(tmp_path / "model.safetensors")
    unseen = CELLS.sample(np.random.default_rng(1), 10)
    np.testing.assert_allclose(loaded.predict(unseen), model.predict(unseen), rtol=1e-6)


def test_files_from_before_have_one_process_on_ranks(tmp_path: Path) -> None:
    codes, values = cells(30)
    model = GaussianProcess(CELLS)
    model.fit(codes, values)
    config, tensors = model.state()
    added_since = (
        "with_distances",
        "with_propagation",
        "with_costs_by_kind",
        "with_pairs",
        "with_neighbours",
        "with_sharp_weights",
        "omitted",
    )
    earlier = {name: value for name, value in config.items() if name not in added_since}
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("kernel")}
    old = GaussianProcess(CELLS)
    old.with_distances = False
    old.chosen = FeatureSet()
    old._solve(codes, values, old.auxiliary, np.zeros((30, 0)), lambda fraction, state: None)
    assert old.processes is not None
    kernel = old.processes.processes[0].parameters
    kept |= {f"kernel.{name}": value for name, value in kernel.items()}

    loaded = GaussianProcess.from_state(CELLS, earlier, kept)
    assert loaded.processes is not None
    assert len(loaded.processes.processes) == 1
    unseen = CELLS.sample(np.random.default_rng(1), 10)
    np.testing.assert_allclose(loaded.predict(unseen), old.predict(unseen))


def test_files_with_one_name_for_each_further_process_predict_as_before() -> None:
    """They have three processes, which weigh the inverse of their errors."""
    codes, values = cells(30)
    model = GaussianProcess(CELLS)
    model.fit(codes, values)
    model.omitted = (("choices",), ("costs",))
    model.with_sharp_weights = False
    model._solve(codes, values, model.auxiliary, np.zeros((30, 0)), lambda fraction, state: None)
    config, tensors = model.state()
    del config["with_sharp_weights"]

    loaded = GaussianProcess.from_state(CELLS, {**config, "omitted": ["choices", "costs"]}, tensors)
    unseen = CELLS.sample(np.random.default_rng(1), 10)
    np.testing.assert_allclose(loaded.predict(unseen), model.predict(unseen))
    assert loaded.processes is not None
    processes = loaded.processes.processes
    targets = processes[0].targets.numpy()
    errors = np.array([np.square(targets - one.left_out_mean).mean() for one in processes])
    np.testing.assert_allclose(loaded.processes.weights, (1 / errors) / (1 / errors).sum())


@pytest.mark.parametrize("amplitude", [-4.0, 0.0])
def test_priors_decide_with_few_values_and_do_no_harm_with_many(amplitude: float) -> None:
    rng = np.random.default_rng(0)
    features = {"paths": rng.normal(size=(500, 3)), "costs": rng.normal(size=(500, 2))}
    targets = np.sin(3 * features["costs"][:, 0])
    priors = {"costs": GroupPrior(amplitude=amplitude, length=0.0)}
    unseen = {name: values[300:] for name, values in features.items()}

    def fitted(count: int) -> ExactProcess:
        rows = {name: values[:count] for name, values in features.items()}
        return ExactProcess(rows, targets[:count], priors=priors)

    assert float(fitted(10).parameters["amplitudes"][1]) == pytest.approx(amplitude, abs=0.2)
    errors = [
        np.square(fitted(count).predict(unseen)[0] - targets[300:]).mean() for count in (10, 300)
    ]
    assert errors[0] > 0.1
    assert errors[1] < 0.01


def test_many_architectures_have_one_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(predictor_module, "_MAX_ENSEMBLE", 20)
    codes, values = cells(21)
    model = GaussianProcess(CELLS)
    model.fit(codes, values)
    assert model.processes is not None
    assert len(model.processes.processes) == 1
