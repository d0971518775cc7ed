"""Any-time TA-GATES: one prediction a step, taught by values of its own."""

from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from numpy.typing import NDArray

import predictor
import spaces
from predictor.commands import main
from predictor.ensemble.fitting import Fitting
from predictor.ensemble.predictor import GraphPredictor
from predictor.errors import InvalidValues
from predictor.metrics import kendall_tau
from spaces.space import Codes
from tables.benchmarks.errors import MissingBenchmark
from tables.benchmarks.registry import benchmark

SPACE = spaces.get("nasbench201")
SMALL = {"anytime": True, "steps": 2, "layers": 2, "hidden": 32, "head": (32,)}


def data(count: int) -> tuple[Codes, NDArray[np.float64]]:
    """Cells with two values that rank them in opposite orders."""
    codes = np.unique(SPACE.sample(np.random.default_rng(0), 3 * count), axis=0)[:count]
    macs = np.log(SPACE.macs(codes).astype(float))
    return codes, np.stack([macs, -macs], axis=1)


def fitted(epochs: int) -> GraphPredictor:
    codes, values = data(40)
    model = GraphPredictor(
        SPACE, members=2, fitting=Fitting(epochs=epochs), encoder="ta-gates", config=SMALL
    )
    model.fit(codes, values)
    return model


def test_each_step_learns_its_own_values() -> None:
    codes, values = data(40)
    predictions = fitted(40).predict_steps(codes)
    # The steps share all but their heads, so that each must have been taught its own order.
    assert kendall_tau(predictions[:, 0], values[:, 0]) > 0.5
    assert kendall_tau(predictions[:, 1], values[:, 1]) > 0.5


def test_last_step_is_the_prediction_and_all_survive_a_file(tmp_path: Path) -> None:
    model = fitted(2)
    codes, _ = data(40)
    predictions = model.predict_steps(codes)
    assert predictions.shape == (40, 2)
    assert (predictions[:, 1] == model.predict(codes)[0]).all()

    model.save(tmp_path / "anytime.safetensors")
    loaded = predictor.load(tmp_path / "anytime.safetensors")
    assert isinstance(loaded, GraphPredictor)
    assert (loaded.predict_steps(codes) == predictions).all()


def test_predictor_of_one_value_has_one_step() -> None:
    codes, values = data(40)
    model = GraphPredictor(
        SPACE, members=2, fitting=Fitting(epochs=1), encoder="ta-gates", config=SMALL
    )
    model.fit(codes, values[:, 0])
    assert model.predict_steps(codes).shape == (40, 1)


@pytest.mark.parametrize(
    ("encoder", "config", "shape"),
    [("gates", {}, (40, 2)), ("ta-gates", {}, (40, 2)), ("ta-gates", SMALL, (40, 3))],
)
def test_several_values_without_as_many_steps_are_refused(
    encoder: str, config: dict[str, object], shape: tuple[int, int]
) -> None:
    codes, _ = data(40)
    model = GraphPredictor(SPACE, encoder=encoder, config=config)
    with pytest.raises(InvalidValues, match=f"steps={shape[1]}"):
        model.fit(codes, np.zeros(shape))


def test_several_metrics_are_for_ta_gates_alone(tmp_path: Path) -> None:
    (tmp_path / "e.jsonl").write_text("", encoding="utf-8")
    arguments = ["--data", str(tmp_path / "e.jsonl"), "--space", "nasbench201"]
    arguments += ["--metric", "a_acc", "--metric", "b_acc", "-o", str(tmp_path / "p.safetensors")]
    result = CliRunner().invoke(main, ["train", *arguments])
    assert result.exit_code != 0
    assert "ta-gates" in result.output + str(result.exception)


@pytest.mark.slow
def test_epochs_of_nasbench201_teach_the_steps() -> None:
    try:
        oracle = benchmark("nasbench201")
    except MissingBenchmark as error:
        pytest.skip(str(error))
    metrics = ("cifar10_valid_acc:12", "cifar10_valid_acc:200")
    rows = np.random.default_rng(0).permutation(oracle.known_rows(*metrics))[:400]
    codes = oracle.codes()[rows]
    values = np.array(
        [
            [item.metrics[metric] for metric in metrics]
            for item in oracle.evaluations(codes, *metrics)
        ]
    )
    model = GraphPredictor(
        SPACE, members=2, fitting=Fitting(epochs=40), encoder="ta-gates", config=SMALL
    )
    model.fit(codes[:100], values[:100])

    predictions = model.predict_steps(codes[100:])
    taus = [kendall_tau(predictions[:, step], values[100:, step]) for step in range(2)]
    assert min(taus) > 0.3
