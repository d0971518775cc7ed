"""Training of members side by side."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import spaces
from predictor.encoders.gates import GatesEncoder
from predictor.encoders.mlp import MlpEncoder
from predictor.ensemble.fitting import Fitting, Training, batches
from predictor.ensemble.members import Members
from predictor.ensemble.predictor import GraphPredictor
from predictor.errors import TooFewArchitectures
from predictor.metrics import kendall_tau

SPACE = spaces.get("nasbench201")
CODES = SPACE.sample(np.random.default_rng(0), 80)
VALUES = (CODES == 3).sum(1) + 0.1 * np.arange(80)


def training(
    fitting: Fitting, path: Path | None = None, seed: int = 0, exact: bool = False, **config: Any
) -> Training:
    """Of three members; `exact`: in double precision, for Adam makes much of gradients that are but
    rounding.
    """
    config = {
        "operation_channels": 8,
        "hidden": 12,
        "layers": 3,
        "head": 10,
        "head_layers": 1,
        **config,
    }
    torch.default_generator.manual_seed(seed)
    encoders = [GatesEncoder.from_space(SPACE, **config).train() for _ in range(3)]
    inputs = encoders[0].inputs(SPACE, CODES)
    if exact:
        encoders = [encoder.double() for encoder in encoders]
        inputs = inputs._replace(incoming=inputs.incoming.double())
    return Training(encoders, inputs, VALUES, np.arange(80) % 3, fitting, seed, path)


@pytest.fixture(autouse=True)
def own_generator() -> Any:
    with torch.random.fork_rng(devices=[]):
        yield


def weights(members: Members) -> dict[str, torch.Tensor]:
    return {name: stack.detach().clone() for name, stack in members.weights.items()}


def silent(share: float, text: str) -> None: ...


@pytest.mark.parametrize("loss", ["hinge", "bce", "listmle", "mse"])
def test_members_at_once_learn_what_members_in_turn_learn(
    loss: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    fitting = Fitting(epochs=6, batch_size=20, loss=loss)
    found = training(fitting, exact=True, dropout=0.0)
    untrained = found.members(found.inputs).detach()
    trained = found.run(silent)(found.inputs).detach()
    monkeypatch.setattr(GatesEncoder, "stackable", False)
    in_turn = training(fitting, exact=True, dropout=0.0).run(silent)(found.inputs).detach()
    torch.testing.assert_close(trained, in_turn)
    assert (trained - untrained).abs().max() > 0.01


def test_a_member_stops_by_its_own_ranking_and_keeps_its_best() -> None:
    fitting = Fitting(epochs=60, batch_size=20, patience=20)
    run = training(fitting)
    run.run(silent)
    assert run.stops_early
    assert run.epoch == 60 or all(run.stopped)
    rows = [torch.from_numpy(part) for part in run.left_out]
    for member, encoder in enumerate(run.members.encoders()):
        with torch.inference_mode():
            scores = encoder(encoder.inputs(SPACE, CODES[rows[member]])).numpy()
        assert kendall_tau(scores, VALUES[rows[member]]) == pytest.approx(
            run.best_tau[member], abs=1e-3
        )
        assert run.best_epoch[member] % 10 == 0


class Interrupted(Exception):
    pass


UNBROKEN = Fitting(epochs=30, batch_size=20, patience=100)


@pytest.fixture(scope="module")
def unbroken() -> dict[str, torch.Tensor]:
    """Weights of a training that was not interrupted."""
    with torch.random.fork_rng(devices=[]):
        return weights(training(UNBROKEN).run(silent))


@pytest.mark.parametrize("at", [10, 17, 30])
def test_an_interrupted_training_goes_on_as_if_it_had_not_been(
    at: int, unbroken: dict[str, torch.Tensor], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictor.ensemble.fitting._WRITE_SECONDS", 0.0)
    fitting = UNBROKEN
    path = tmp_path / "p.part"
    begun = training(fitting, path)

    def stop(share: float, text: str) -> None:
        if begun.epoch == at:
            raise Interrupted

    with pytest.raises(Interrupted):
        begun.run(stop)
    again = training(fitting, path)
    torch.default_generator.manual_seed(99)  # what is drawn meanwhile by others does not matter
    epochs: list[int] = []
    found = weights(again.run(lambda share, text: epochs.append(again.epoch)))
    assert epochs[:1] == ([at // 10 * 10 + 1] if at < 30 else [])
    assert all(torch.equal(found[name], stack) for name, stack in unbroken.items())


def test_a_state_of_other_data_or_a_torn_one_is_left_unread(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("predictor.ensemble.fitting._WRITE_SECONDS", 0.0)
    path = tmp_path / "p.part"
    fitting = Fitting(epochs=10, batch_size=20)
    training(fitting, path).run(silent)
    assert training(fitting, path).state.read() is not None
    assert training(Fitting(epochs=20, batch_size=20), path).state.read() is None
    assert training(fitting, path, seed=1).state.read() is None
    path.write_bytes(path.read_bytes()[:100])
    assert training(fitting, path).state.read() is None
    path.write_bytes(b"\x80\x04N.")
    assert training(fitting, path).state.read() is None


def test_more_data_are_passed_over_less_often() -> None:
    fitting = Fitting(epochs=200, steps=500, least_epochs=50, batch_size=128)
    assert [fitting.num_epochs(count) for count in (58, 128, 292, 585, 1500, 6000)] == [
        200,
        200,
        200,
        100,
        50,
        50,
    ]
    assert Fitting(epochs=10).num_epochs(6000) == 10


def test_batches_hold_every_row_once_and_no_crumbs() -> None:
    order = torch.stack([torch.randperm(70) for _ in range(2)])
    parts = batches(order, 32)
    assert [part.shape[1] for part in parts] == [32, 38]
    assert torch.equal(torch.cat(parts, dim=1), order)
    assert [part.shape[1] for part in batches(order, 25)] == [25, 25, 20]


def test_an_ensemble_of_an_encoder_that_is_not_stackable_is_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    config = {"channels": 8, "hidden": (16,), "dropout": 0.0}
    predictions = []
    for stackable in (True, False):
        monkeypatch.setattr(MlpEncoder, "stackable", stackable)
        model = GraphPredictor(SPACE, 0, 2, Fitting(epochs=5), "mlp", config)
        model.fit(CODES, VALUES)
        predictions.append(model.predict(CODES)[0])
    np.testing.assert_allclose(*predictions, rtol=1e-3, atol=1e-3)


def test_a_member_leaves_out_all_copies_of_a_network(monkeypatch: pytest.MonkeyPatch) -> None:
    folds = []

    class Recording(Training):
        def __init__(self, *args: Any):
            folds.append(args[3])
            super().__init__(*args)

    monkeypatch.setattr("predictor.ensemble.predictor.Training", Recording)
    config = {"channels": 8, "hidden": (16,), "dropout": 0.0}
    distinct = np.unique(SPACE.representatives(CODES), axis=0)
    model = GraphPredictor(SPACE, 0, 4, Fitting(epochs=1), "mlp", config)
    model.fit(
        np.asfortranarray(np.repeat(distinct, 3, axis=0)), np.repeat(VALUES, 3)[: 3 * len(distinct)]
    )
    model.fit(distinct, VALUES[: len(distinct)])
    np.testing.assert_array_equal(folds[0], np.repeat(folds[1], 3))

    few = np.repeat(distinct[:4], 5, axis=0)
    with pytest.raises(TooFewArchitectures, match="at least 10 networks"):
        model.fit(few, np.arange(20.0))
