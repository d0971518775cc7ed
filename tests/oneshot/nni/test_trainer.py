"""NNI's supernet trainer and its mutator, on a user's own model."""

import json
import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from oneshot.errors import InvalidOption
from oneshot.nni import SPOSSupernetTrainer, SPOSSupernetTrainingMutator
from spaces import InputChoice, LayerChoice
from spaces.errors import NoActiveCandidate

COSTS = {"first": [1.0, 2.0, 4.0], "second": [1.0, 2.0, 4.0], "skip": [0.0, 0.5]}


class Model(nn.Module):
    """Two layer choices of one key each, and a choice of inputs."""

    def __init__(self, seed: int = 0):
        super().__init__()
        torch.manual_seed(seed)
        self.first = LayerChoice([nn.Linear(4, 4) for _ in range(3)], key="first")
        self.second = LayerChoice([nn.Linear(4, 4) for _ in range(3)], key="second")
        self.skip = InputChoice(n_candidates=2, n_chosen=1, key="skip")
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.first(x))
        y = self.skip([self.second(y), y])
        result: Tensor = self.head(y)
        return result


def flops(sample: dict[str, Tensor]) -> float:
    return sum(float(np.dot(mask.numpy(), COSTS[key])) for key, mask in sample.items())


@pytest.fixture
def loader() -> DataLoader[Any]:
    """Points of two classes."""
    generator = torch.Generator().manual_seed(0)
    points = torch.randn(64, 4, generator=generator)
    return DataLoader(TensorDataset(points, (points.sum(1) > 0).long()), batch_size=8)


def accuracy(logits: Tensor, labels: Tensor) -> dict[str, float]:
    return {"top1": float((logits.argmax(1) == labels).float().mean())}


def trainer(model: Model, loader: Any, **options: Any) -> SPOSSupernetTrainer:
    optimizer = torch.optim.SGD(model.parameters(), 0.2, momentum=0.9, weight_decay=1e-4)
    given = {
        "num_epochs": 6,
        "train_loader": loader,
        "valid_loader": loader,
        "device": torch.device("cpu"),
        **options,
    }
    return SPOSSupernetTrainer(model, nn.functional.cross_entropy, accuracy, optimizer, **given)


def test_nnis_arguments_train_a_model(
    loader: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    called: list[tuple[str, int]] = []

    class Told:
        def on_epoch_begin(self, epoch: int) -> None:
            called.append(("begin", epoch))

        def on_epoch_end(self, epoch: int) -> None:
            called.append(("end", epoch))

    model = Model()
    training = trainer(
        model, loader, log_frequency=4, callbacks=[Told(), object()], batch_size=8, workers=1
    )
    before = training.validate()
    assert set(before) == {"top1", "loss"}
    assert training.validate() == before  # always the same paths
    with caplog.at_level(logging.INFO, "oneshot.nni.trainer"):
        training.train()
    assert called == [(what, epoch) for epoch in range(6) for what in ("begin", "end")]
    said = [record.getMessage() for record in caplog.records]
    assert len([line for line in said if "Validation" in line]) == 6
    assert [line.split("  ")[0] for line in said if "Step" in line][:3] == [
        "Epoch [1/6] Step [1/8]",
        "Epoch [1/6] Step [5/8]",
        "Epoch [2/6] Step [1/8]",
    ]
    after = training.validate()
    assert after["loss"] < 0.6 * before["loss"]
    assert after["top1"] > 0.8
    training.export(tmp_path / "path.json")
    exported = json.loads((tmp_path / "path.json").read_text())
    assert {key: len(mask) for key, mask in exported.items()} == {
        "first": 3,
        "second": 3,
        "skip": 2,
    }
    assert all(sum(mask) == 1 for mask in exported.values())


def test_candidates_that_are_not_drawn_stay(loader: Any) -> None:
    model = Model()
    kept = {name: value.clone() for name, value in model.named_parameters()}
    mutator = SPOSSupernetTrainingMutator(model)
    mutator.path = lambda number: [1, 2, 0]  # type: ignore[method-assign]
    trainer(model, loader, mutator=mutator, valid_loader=None).train()
    assert mutator.status() == {"first": "1", "second": "2", "skip": "0"}
    drawn = ("first.candidates.1", "second.candidates.2", "head")
    for name, value in model.named_parameters():
        assert torch.equal(value, kept[name]) is not name.startswith(drawn), name


def test_the_same_seed_trains_the_same(loader: Any) -> None:
    models = [Model(), Model(), Model()]
    for model, seed in zip(models, (0, 0, 1), strict=True):
        torch.manual_seed(99 + seed)
        trainer(model, loader, mutator=SPOSSupernetTrainingMutator(model, seed=seed)).train(
            validate=seed == 1
        )
    one, two, other = (
        torch.cat([value.detach().reshape(-1) for value in model.parameters()]) for model in models
    )
    assert torch.equal(one, two)
    assert not torch.equal(one, other)


def test_reset_activates_what_status_tells() -> None:
    model = Model()
    with pytest.raises(NoActiveCandidate):
        model(torch.zeros(1, 4))
    mutator = SPOSSupernetTrainingMutator(model, seed=3)
    seen = set()
    for _ in range(200):
        mutator.reset()
        assert model.first.active is not None
        assert mutator.status()["first"] == str(model.first.active)
        seen.add(tuple(mutator.status().values()))
        assert model(torch.zeros(1, 4)).shape == (1, 2)
    assert len(seen) == 3 * 3 * 2
    sample = mutator.sample_search()
    assert {key: (mask.dtype, int(mask.sum())) for key, mask in sample.items()} == dict.fromkeys(
        COSTS, (torch.bool, 1)
    )


def test_bins_of_flops_get_equal_shares() -> None:
    """NNI draws the bin anew at every try, which gives them the shares of plain uniform
    sampling.
    """
    mutator = SPOSSupernetTrainingMutator(Model(), flops, 2.0, 8.5, 3)
    assert mutator.edges.tolist() == pytest.approx([2.0, 4.1667, 6.3333, 8.5], abs=1e-3)
    costs = np.array([flops(mutator.sample_search()) for _ in range(3000)])
    shares = np.histogram(costs, mutator.edges)[0] / 3000
    assert np.abs(shares - 1 / 3).max() < 0.03
    plain = SPOSSupernetTrainingMutator(mutator.model)
    uniform = (
        np.histogram([flops(plain.sample_search()) for _ in range(3000)], mutator.edges)[0] / 3000
    )
    assert np.abs(uniform - 1 / 3).max() > 0.1


def test_a_bin_without_paths_is_given_up_with_a_warning(caplog: pytest.LogCaptureFixture) -> None:
    mutator = SPOSSupernetTrainingMutator(Model(), flops, 100.0, 200.0, flops_sample_timeout=5)
    assert set(mutator.sample_search()) == set(COSTS)
    assert "none of 5 paths has from " in caplog.text


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (
            {"flops_func": flops},
            "flops_func needs flops_lb < flops_ub and flops_bin_num >= 1, not None, None and 7",
        ),
        ({"flops_func": flops, "flops_lb": 2, "flops_ub": 1}, "not 2, 1 and 7"),
        ({"flops_func": flops, "flops_lb": 1, "flops_ub": 2, "flops_bin_num": 0}, "not 1, 2 and 0"),
    ],
)
def test_impossible_bounds_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidOption, match=said):
        SPOSSupernetTrainingMutator(Model(), **options)


def test_what_cannot_be_trained_is_refused(loader: Any) -> None:
    with pytest.raises(InvalidOption, match="model: Linear has no LayerChoice"):
        SPOSSupernetTrainingMutator(nn.Linear(2, 2))
    with pytest.raises(InvalidOption, match="mutator is bound to another model"):
        trainer(Model(), loader, mutator=SPOSSupernetTrainingMutator(Model()))
    with pytest.raises(InvalidOption, match="train_loader needs a length"):
        trainer(Model(), (batch for batch in loader))


def test_keys_do_not_depend_on_what_was_built_before() -> None:
    """Two models in one process have the same keys."""

    class Unnamed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.choice = LayerChoice([nn.Linear(2, 2), nn.Identity()])

    for _ in range(2):
        mutables = SPOSSupernetTrainingMutator(Unnamed()).mutables
        assert [mutable.key for mutable in mutables] == ["choice"]
