"""The mutators and the trainer of NNI's guide on one-shot algorithms."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from oneshot.errors import InvalidOption
from oneshot.nni import (
    ArchitectureCheckpoint,
    BaseMutator,
    Callback,
    InputChoice,
    LayerChoice,
    LRSchedulerCallback,
    ModelCheckpoint,
    MutableScope,
    Mutator,
    SPOSSupernetTrainer,
    SPOSSupernetTrainingMutator,
    apply_fixed_architecture,
)
from oneshot.nni import RandomMutator as UniformMutator


class Cell(MutableScope):
    """A cell with an optional skip connection."""

    def __init__(self, key: str):
        super().__init__(key)
        self.layer = LayerChoice([nn.Linear(4, 4), nn.Identity(), nn.Tanh()])
        self.skip = InputChoice(n_candidates=2, n_chosen=1, reduction="sum")
        self.optional = InputChoice(n_candidates=1)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.skip([x, self.layer(x)])
        addition = self.optional([x])
        return output if addition is None else output + addition


class Network(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.cells = nn.Sequential(Cell("cell_1"), Cell("cell_2"))
        shared = [LayerChoice([nn.Linear(4, 4), nn.ReLU()], key="shared") for _ in range(2)]
        self.shared = nn.Sequential(*shared)
        self.head = nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.head(self.shared(self.cells(x)))
        return output


class RandomMutator(Mutator):
    """The guide's mutator."""

    def __init__(self, model: nn.Module):
        super().__init__(model)

    def sample_search(self) -> dict[str, Tensor]:
        result = {}
        for mutable in self.mutables:
            if isinstance(mutable, LayerChoice):
                index = int(torch.randint(mutable.length, ()))
                result[mutable.key] = torch.tensor([i == index for i in range(mutable.length)])
            elif isinstance(mutable, InputChoice):
                if mutable.n_chosen is None:
                    result[mutable.key] = torch.randint(high=2, size=(mutable.n_candidates,)).bool()
                else:
                    perm = torch.randperm(mutable.n_candidates)[: mutable.n_chosen]
                    mask = [i in perm for i in range(mutable.n_candidates)]
                    result[mutable.key] = torch.tensor(mask)
        return result

    def sample_final(self) -> dict[str, Tensor]:
        return self.sample_search()


def data() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    x = torch.randn(8, 16, 4, generator=generator)
    return [(batch, (batch.sum(1) > 0).long()) for batch in x]


def test_loop_of_the_guide_trains_and_exports() -> None:
    torch.manual_seed(0)
    model = Network()
    mutator = RandomMutator(model)
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for _ in range(20):
        for x, y in data():
            mutator.reset()
            loss = nn.functional.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))

    architecture = mutator.export()
    text = json.dumps({key: mask.tolist() for key, mask in architecture.items()})

    assert sum(losses[-40:]) < 0.8 * sum(losses[:40])
    fixed = apply_fixed_architecture(Network(), json.loads(text)).export()
    assert {key: mask.tolist() for key, mask in fixed.items()} == json.loads(text)


def test_mutables_are_listed_once_and_all() -> None:
    mutator = RandomMutator(Network())

    names = [type(mutable).__name__ for mutable in mutator.mutables]
    cell = ["Cell", "LayerChoice", "InputChoice", "InputChoice"]
    assert names == [*cell, *cell, "LayerChoice"]
    assert len(mutator.undedup_mutables) == len(mutator.mutables) + 1


def test_attributes_of_choices_are_those_of_the_guide() -> None:
    layer = LayerChoice({"conv": nn.Linear(1, 1), "skip": nn.Identity()}, key="op")
    inputs = InputChoice(choose_from=["op", InputChoice.NO_KEY], n_chosen=1, key="input")

    assert layer.names == ["conv", "skip"]
    assert (layer.length, len(layer), layer.choices) == (2, 2, [layer["conv"], layer[1]])
    assert (inputs.n_candidates, inputs.n_chosen) == (2, 1)
    assert inputs.choose_from == ["op", ""]
    assert (layer.key, inputs.key) == ("op", "input")


class Recording(UniformMutator):
    """Overrides the hooks of the forward pass."""

    def __init__(self, model: nn.Module):
        super().__init__(model)
        self.log: list[str] = []

    def enter_mutable_scope(self, mutable_scope: MutableScope) -> None:
        self.log.append(f"enter {mutable_scope.key}")

    def exit_mutable_scope(self, mutable_scope: MutableScope) -> None:
        self.log.append(f"exit {mutable_scope.key}")

    def on_forward_layer_choice(self, mutable: LayerChoice, *args: Any, **kwargs: Any) -> Any:
        self.log.append("layer")
        return super().on_forward_layer_choice(mutable, *args, **kwargs)

    def on_forward_input_choice(self, mutable: InputChoice, tensors: Any) -> Any:
        self.log.append("input")
        return super().on_forward_input_choice(mutable, tensors)


def test_hooks_of_the_forward_pass_are_called() -> None:
    model = Network()
    mutator = Recording(model)
    mutator.reset()
    model(torch.zeros(1, 4))

    cells = [
        [f"enter cell_{number}", "layer", "input", "input", f"exit cell_{number}"]
        for number in (1, 2)
    ]
    assert mutator.log == [*cells[0], *cells[1], "layer", "layer"]


def test_base_mutator_computes_every_candidate() -> None:
    class Everything(BaseMutator):
        def on_forward_layer_choice(self, mutable: LayerChoice, *args: Any, **kwargs: Any) -> Any:
            return sum(choice(*args) for choice in mutable.choices), torch.ones(mutable.length)

    model = nn.Sequential(LayerChoice([nn.Identity(), nn.ReLU()]))
    Everything(model)

    assert model(torch.ones(1)).item() == 2


# Trainers


def trainer(model: nn.Module, kind: type[SPOSSupernetTrainer], **options: Any) -> Any:
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    arguments = {"valid_loader": data(), "device": "cpu", **options}
    return kind(
        model,
        nn.CrossEntropyLoss(),
        lambda logits, target: {"acc": float((logits.argmax(1) == target).float().mean())},
        arguments.pop("optimizer", optimizer),
        arguments.pop("num_epochs", 3),
        arguments.pop("train_loader", data()),
        **arguments,
    )


class History(Callback):
    def __init__(self) -> None:
        self.log: list[str] = []

    def on_epoch_begin(self, epoch: int) -> None:
        self.log.append(f"begin {epoch}")

    def on_epoch_end(self, epoch: int) -> None:
        self.log.append(f"end {epoch}")

    def on_batch_end(self, epoch: int) -> None:
        self.log.append("batch")


@pytest.mark.parametrize("kind", [RandomMutator, UniformMutator, SPOSSupernetTrainingMutator])
def test_any_mutator_is_trained_with_callbacks(kind: Any, tmp_path: Path) -> None:
    model = Network()
    mutator = kind(model)
    history = History()
    callbacks = [ArchitectureCheckpoint(str(tmp_path)), ModelCheckpoint(tmp_path), history]

    training = trainer(model, SPOSSupernetTrainer, mutator=mutator, callbacks=callbacks)
    training.train()

    assert (history.model, history.mutator, history.trainer) == (model, mutator, training)
    assert history.log == [
        entry for epoch in range(3) for entry in (f"begin {epoch}", *["batch"] * 8, f"end {epoch}")
    ]
    assert {path.name for path in tmp_path.iterdir()} == {
        f"epoch_{epoch}.{suffix}" for epoch in range(3) for suffix in ("json", "pth.tar")
    }
    weights = torch.load(tmp_path / "epoch_2.pth.tar", weights_only=True)
    assert all(torch.equal(weights[name], value) for name, value in model.state_dict().items())
    apply_fixed_architecture(Network(), tmp_path / "epoch_1.json")


class Streaming:
    """Batches without a length, which begin again in each epoch."""

    def __iter__(self) -> Any:
        return iter(data())


def test_loader_without_a_length_is_read_in_every_epoch() -> None:
    states = []
    for loader in (data(), Streaming()):
        torch.manual_seed(0)
        model = Network()
        trainer(model, SPOSSupernetTrainer, train_loader=loader).train()
        states.append(torch.cat([value.flatten() for value in model.parameters()]))

    assert torch.equal(*states)


def test_override_of_an_epoch_is_honoured(tmp_path: Path) -> None:
    class Counting(SPOSSupernetTrainer):
        def train_one_epoch(self, epoch: int) -> None:
            calls.append(("train", epoch))
            super().train_one_epoch(epoch)

        def validate_one_epoch(self, epoch: int) -> None:
            calls.append(("valid", epoch))
            super().validate_one_epoch(epoch)

    calls: list[tuple[str, int]] = []
    training = trainer(Network(), Counting)
    before = training.validate()["loss"]

    training.train()

    assert calls == [(name, epoch) for epoch in range(3) for name in ("train", "valid")]
    assert training.validate()["loss"] < before
    with pytest.raises(InvalidOption, match="Counting overrides train_one_epoch"):
        trainer(Network(), Counting, folder=tmp_path).train()


def test_override_that_is_never_called_is_refused_by_name() -> None:
    with pytest.raises(InvalidOption, match="Mine: overriding on_forward_layer_choice"):
        type("Mine", (SPOSSupernetTrainingMutator,), {"on_forward_layer_choice": None})
    with pytest.raises(InvalidOption, match="mode must be 'epoch', not 'batch'"):
        LRSchedulerCallback(None, mode="batch")  # type: ignore[arg-type]


def test_interrupted_training_resumes_with_mutator_and_schedule(tmp_path: Path) -> None:
    def build(folder: Path, callbacks: list[Any]) -> tuple[Any, Any]:
        torch.manual_seed(0)
        model = Network()
        optimizer = torch.optim.SGD(model.parameters(), 0.1)
        schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        training = trainer(
            model,
            SPOSSupernetTrainer,
            optimizer=optimizer,
            mutator=UniformMutator(model, seed=3),
            callbacks=[LRSchedulerCallback(schedule), *callbacks],
            folder=folder,
            valid_loader=None,
        )
        return model, training

    class Interrupting(Callback):
        def on_epoch_begin(self, epoch: int) -> None:
            if epoch == 2:
                signal.raise_signal(signal.SIGINT)

    whole, training = build(tmp_path / "whole", [])
    training.train()
    _, training = build(tmp_path / "parts", [Interrupting()])
    with pytest.raises(KeyboardInterrupt):
        training.train()

    resumed, training = build(tmp_path / "parts", [])
    training.train()

    assert training.optimizer.param_groups[0]["lr"] == 0.1 / 8
    assert all(
        torch.equal(one, two)
        for one, two in zip(whole.parameters(), resumed.parameters(), strict=True)
    )


def test_loader_of_torch_is_accepted() -> None:
    x, y = data()[0]
    trainer(
        Network(), SPOSSupernetTrainer, train_loader=DataLoader(TensorDataset(x, y), batch_size=4)
    ).train(validate=False)
