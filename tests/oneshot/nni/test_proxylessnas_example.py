"""The steps of NNI's example `nas/proxylessnas`, at a small size: search, resume, retraining."""

import json
import signal
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from oneshot import nni as nas
from oneshot.errors import InvalidOption
from oneshot.nni import ProxylessNasTrainer, apply_fixed_architecture


class Layer(nn.Module):
    def __init__(self, width: int):
        super().__init__()
        self.linear = nn.Sequential(nn.Linear(6, width), nn.BatchNorm1d(width), nn.Linear(width, 6))

    def forward(self, x: Tensor) -> Tensor:
        output: Tensor = self.linear(x)
        return output

    @staticmethod
    def is_zero_layer() -> bool:
        return False


class ZeroLayer(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.zeros_like(x)

    @staticmethod
    def is_zero_layer() -> bool:
        return True


class ResidualBlock(nn.Module):
    """Finds the active candidate by the mask of its LayerChoice."""

    def __init__(self, op: nn.Module, shortcut: nn.Module, op_candidates_list: list[Any]):
        super().__init__()
        self.op = op
        self.shortcut = shortcut
        self.op_candidates_list = op_candidates_list

    def forward(self, x: Tensor) -> Tensor:
        out, idx = self.op(x)
        if not isinstance(idx, int):
            idx = (idx == 1).nonzero()
        if self.op_candidates_list[idx].is_zero_layer():
            return x
        result: Tensor = out + self.shortcut(x)
        return result


class SearchNet(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        blocks = []
        for index in range(3):
            op_candidates = [Layer(4), Layer(8), ZeroLayer()]
            op = nas.mutables.LayerChoice(op_candidates, return_mask=True, key=f"s0_c{index}")
            blocks.append(ResidualBlock(op, nn.Identity(), op_candidates))
        self.blocks = nn.ModuleList(blocks)
        self.classifier = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        for block in self.blocks:
            x = block(x)
        output: Tensor = self.classifier(x)
        return output


def loader(seed: int, size: int = 64) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(seed)
    data = torch.randn(size, 6, generator=generator)
    return DataLoader(TensorDataset(data, (data.sum(1) > 0).long()), batch_size=16)


def make(folder: Path, load_ckpt: bool = False, **options: Any) -> ProxylessNasTrainer:
    torch.manual_seed(0)
    model = SearchNet()
    decayed = [value for name, value in model.named_parameters() if ".1." not in name]
    others = [value for name, value in model.named_parameters() if ".1." in name]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 4e-5}, {"params": others, "weight_decay": 0}],
        lr=0.05,
        momentum=0.9,
        nesterov=True,
    )
    return ProxylessNasTrainer(
        model,
        model_optim=optimizer,
        train_loader=options.pop("train_loader", loader(0)),
        valid_loader=loader(1),
        device=torch.device("cpu"),
        warmup=True,
        warmup_epochs=1,
        n_epochs=3,
        grad_update_arch_param_every=2,
        arch_optim_lr=0.05,
        load_ckpt=load_ckpt,
        ckpt_path=folder / "search.pt",
        arch_path=folder / "arch.json",
        **options,
    )


class Interrupted(TensorDataset):
    """Sends Ctrl-C when an image of the third epoch is read."""

    reads = 0

    def __getitem__(self, index: int) -> tuple[Tensor, ...]:
        Interrupted.reads += 1
        if Interrupted.reads == 64 * 2 + 20:
            signal.raise_signal(signal.SIGINT)
        return super().__getitem__(index)


def state_of(trainer: ProxylessNasTrainer) -> Tensor:
    weights = [*trainer.model.parameters(), *trainer.mutator.parameters()]
    return torch.cat([value.detach().flatten() for value in weights])


def test_search_exports_an_architecture_that_is_retrained(tmp_path: Path) -> None:
    trainer = make(tmp_path)
    trainer.train()
    trainer.export(tmp_path / "final.json")

    exported = json.loads((tmp_path / "final.json").read_text())
    assert exported == json.loads((tmp_path / "arch.json").read_text())
    assert {key: sum(mask) for key, mask in exported.items()} == {f"s0_c{i}": 1 for i in range(3)}

    model = SearchNet()
    apply_fixed_architecture(model, str(tmp_path / "final.json"), device="cpu")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    losses = []
    for _ in range(10):
        for images, labels in loader(0):
            loss = nn.functional.cross_entropy(model(images), labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(float(loss.detach()))
    assert losses[-1] < losses[0]


@pytest.mark.parametrize("binary_mode", ["full", "full_v2", "two"])
def test_masks_of_every_mode_have_one_active_candidate(binary_mode: str, tmp_path: Path) -> None:
    make(tmp_path, binary_mode=binary_mode).train()


def test_interrupted_search_resumes_from_its_checkpoint(tmp_path: Path) -> None:
    """Checkpoint and architecture are written each epoch; both optimizers continue."""
    whole = make(tmp_path / "whole")
    whole.train()
    Interrupted.reads = 0
    dataset = Interrupted(*loader(0).dataset.tensors)  # type: ignore[attr-defined]
    first = make(tmp_path / "parts", train_loader=DataLoader(dataset, batch_size=16))
    with pytest.raises(KeyboardInterrupt):
        first.train()
    assert (tmp_path / "parts" / "arch.json").exists()

    second = make(tmp_path / "parts", load_ckpt=True)
    second.train()

    assert torch.equal(state_of(second), state_of(whole))
    files = [(tmp_path / name / "arch.json").read_text() for name in ("whole", "parts")]
    assert files[0] == files[1]


def test_override_that_is_never_called_is_refused_by_name() -> None:
    with pytest.raises(InvalidOption, match="Mine: overriding _warm_up has no effect"):
        type("Mine", (ProxylessNasTrainer,), {"_warm_up": lambda self: None})
