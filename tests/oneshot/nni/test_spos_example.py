"""The steps of NNI's example `nas/spos`, at a small size: supernet, search, tester, retraining."""

import json
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from oneshot.nni import (
    AverageMeterGroup,
    LRSchedulerCallback,
    ModelCheckpoint,
    SPOSEvolution,
    SPOSSupernetTrainer,
    SPOSSupernetTrainingMutator,
    apply_fixed_architecture,
    get_and_apply_next_architecture,
    mutables,
)

FLOPS = [10, 20, 40]
LIMIT = 90


class Block(nn.Module):
    """A residual layer of some hidden width."""

    def __init__(self, width: int):
        super().__init__()
        self.branch_main = nn.Sequential(
            nn.Linear(6, width), nn.BatchNorm1d(width, affine=False), nn.ReLU(), nn.Linear(width, 6)
        )

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = x + self.branch_main(x)
        return output


class OneShot(nn.Module):
    """A supernet that notes the FLOPs of each block under the key of its choice."""

    def __init__(self) -> None:
        super().__init__()
        self._parsed_flops: dict[str, list[int]] = {}
        features = []
        for _ in range(4):
            choice_block = mutables.LayerChoice([Block(4), Block(8), Block(16)])
            self._parsed_flops[choice_block.key] = FLOPS
            features.append(choice_block)
        self.features = nn.Sequential(*features)
        self.classifier = nn.Linear(6, 2)

    def get_candidate_flops(self, candidate: dict[str, Any]) -> int:
        total = 0
        for key, value in candidate.items():
            flops = self._parsed_flops[key]
            if isinstance(value, dict):
                total += flops[value["_idx"]]
            else:
                total += flops[int(torch.max(value, 0)[1])]
        return total

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.classifier(self.features(x))
        return output


class EvolutionWithFlops(SPOSEvolution):
    """Limits the FLOPs of the candidates."""

    def __init__(self, flops_limit: int = LIMIT, **kwargs: Any):
        super().__init__(**kwargs)
        self.model = OneShot()
        self.flops_limit = flops_limit

    def _is_legal(self, cand: dict[str, Any]) -> bool:
        if not super()._is_legal(cand):
            return False
        return self.model.get_candidate_flops(cand) <= self.flops_limit


class EndlessReader:
    """Batches that begin again after their end, with a length, as DALI's iterators have it."""

    def __init__(self, loader: DataLoader[Any]):
        self.loader = loader
        self.batches = iter(loader)

    def __iter__(self) -> Iterator[Any]:
        return self

    def __next__(self) -> Any:
        try:
            return next(self.batches)
        except StopIteration:
            self.batches = iter(self.loader)
            raise

    def __len__(self) -> int:
        return len(self.loader)


def points(seed: int) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(64, 6, generator=generator)
    return DataLoader(TensorDataset(data, (data[:, :3].sum(1) > 0).long()), batch_size=16)


def accuracy(output: Tensor, target: Tensor) -> dict[str, float]:
    return {"acc1": float((output.argmax(1) == target).float().mean())}


def train_supernet(folder: Path, epochs: int = 4) -> OneShot:
    torch.manual_seed(0)
    model = OneShot()
    mutator = SPOSSupernetTrainingMutator(
        model, flops_func=model.get_candidate_flops, flops_lb=40, flops_ub=160
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, weight_decay=4e-5)
    scheduler = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda epoch: 1.0 - epoch / epochs)
    trainer = SPOSSupernetTrainer(
        model,
        nn.CrossEntropyLoss(),
        accuracy,
        optimizer,
        epochs,
        EndlessReader(points(0)),
        EndlessReader(points(1)),
        mutator=mutator,
        batch_size=16,
        log_frequency=10,
        workers=0,
        callbacks=[LRSchedulerCallback(scheduler), ModelCheckpoint(str(folder))],
    )
    trainer.train()
    assert optimizer.param_groups[0]["lr"] == 0
    return model


def evaluate(model: nn.Module) -> float:
    """Recompute the statistics of batch normalisation, then measure the accuracy."""
    for module in model.modules():
        if isinstance(module, nn.BatchNorm1d):
            assert module.running_mean is not None
            assert module.running_var is not None
            module.running_mean = torch.zeros_like(module.running_mean)
            module.running_var = torch.ones_like(module.running_var)
    model.train()
    loader_train, loader_test = cycle(points(0)), cycle(points(2))
    for _ in range(16):
        inputs, targets = next(loader_train)
        model(inputs)

    model.eval()
    meters = AverageMeterGroup()
    with torch.no_grad():
        for _ in range(4):
            inputs, targets = next(loader_test)
            meters.update(accuracy(model(inputs), targets))
    assert str(meters).startswith("acc1 ")
    assert isinstance(meters.acc1.avg, float)
    return meters.acc1.avg


@pytest.fixture
def checkpoint(tmp_path: Path) -> Path:
    train_supernet(tmp_path / "checkpoints")
    return tmp_path / "checkpoints" / "epoch_3.pth.tar"


@pytest.fixture
def trial(monkeypatch: pytest.MonkeyPatch) -> SimpleNamespace:
    """NNI's module as a trial sees it."""
    module = SimpleNamespace(parameter={}, results=[])
    module.get_next_parameter = lambda: module.parameter
    module.report_final_result = module.results.append
    monkeypatch.setitem(sys.modules, "nni", module)
    monkeypatch.setenv("NNI_PLATFORM", "local")
    return module


def generate_search_space(folder: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Run the tester as `nnictl ss_gen` does."""
    path = folder / "nni_auto_gen_search_space.json"
    with monkeypatch.context() as environment:
        environment.setenv("NNI_GEN_SEARCH_SPACE", str(path))
        with pytest.raises(SystemExit) as end:
            get_and_apply_next_architecture(OneShot())
    assert end.value.code == 0
    value: dict[str, Any] = json.loads(path.read_text())
    return value


def test_supernet_search_and_retraining(
    checkpoint: Path, trial: SimpleNamespace, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    space = generate_search_space(tmp_path, monkeypatch)
    assert list(space) == [f"LayerChoice{number}" for number in range(1, 5)]
    tuner = EvolutionWithFlops(
        max_epochs=2, num_select=2, num_population=6, folder=tmp_path / "architectures"
    )
    tuner.update_search_space(space)

    # Each trial is a run of the tester.
    for number in range(12):
        trial.parameter = tuner.generate_parameters(number)
        assert tuner.model.get_candidate_flops(trial.parameter) <= LIMIT
        model = OneShot()
        model.load_state_dict(torch.load(checkpoint, weights_only=True))
        get_and_apply_next_architecture(model)
        trial.report_final_result(evaluate(model))
        tuner.receive_trial_result(number, trial.parameter, trial.results[-1])
        tuner.trial_end(number, True)

    best = tmp_path / "architectures" / "002_000.json"
    model = OneShot()
    model.load_state_dict(torch.load(checkpoint, weights_only=True))
    apply_fixed_architecture(model, str(best))
    assert evaluate(model) == max(trial.results) > 0.7
    assert tuner.finished


def test_flops_of_sampled_paths_are_within_their_bounds() -> None:
    model = OneShot()
    mutator = SPOSSupernetTrainingMutator(
        model, flops_func=model.get_candidate_flops, flops_lb=60, flops_ub=100, flops_bin_num=2
    )

    flops = [model.get_candidate_flops(mutator.sample_search()) for _ in range(50)]

    assert min(flops) >= 60
    assert max(flops) <= 100


def test_official_state_dict_is_loaded() -> None:
    """The release's keys have the index of the candidate after that of the block."""
    model = OneShot()
    state = {
        name.replace(".candidates.", "."): torch.zeros_like(value)
        for name, value in model.state_dict().items()
    }
    assert "features.0.2.branch_main.0.weight" in state

    model.load_state_dict(state)

    assert all(not value.any() for value in model.parameters())


@pytest.mark.parametrize(
    "architecture",
    [
        {f"LayerChoice{number}": [False, True, False] for number in range(1, 5)},
        {f"LayerChoice{number}": "1" for number in range(1, 5)},
        {f"LayerChoice{number}": 1 for number in range(31, 35)},
        {f"features.{index}": [0.0, 1.0, 0.0] for index in range(4)},
    ],
)
def test_fixed_architecture_is_read_in_every_generation(
    architecture: dict[str, Any], tmp_path: Path
) -> None:
    path = tmp_path / "architecture_final.json"
    path.write_text(json.dumps(architecture))

    fixed = apply_fixed_architecture(OneShot(), path)

    assert set(fixed.codes().values()) == {1}


def test_model_without_a_trial_runs_its_first_candidates(caplog: pytest.LogCaptureFixture) -> None:
    fixed = get_and_apply_next_architecture(OneShot())

    assert set(fixed.codes().values()) == {0}
    assert "there is no trial of NNI" in caplog.text
