"""NNI's `ProxylessNasTrainer` with its arguments, as a face of the algorithm `proxyless`."""

from __future__ import annotations

import copy
import dataclasses
import json
import logging
import pickle
import tempfile
from collections.abc import Iterable
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR, LRScheduler

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.proxyless.algorithm import Proxyless
from oneshot.algorithms.proxyless.mutator import ProxylessMutator
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.binding import bare
from oneshot.nni.device import chosen_device
from oneshot.nni.trainer import _Loaded
from oneshot.search.constraint import Constraint
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import Recipe
from spaces.files import replacing, write_text
from spaces.modules.mutable import assign_keys
from spaces.user_model.freeze import activate, freeze
from tables.cost.model import CostModel

_log = logging.getLogger(__name__)

WARMUP_RATE = 0.05
"""Learning rate at which NNI's warm-up begins."""


class ProxylessNasTrainer:
    """Trains weights and architecture of a model with choices (microsoft/nni, version 1 and 2).

    Unlike there, all binary modes work, with every kind of candidate; a cost or a constraint may be
    part of the loss; it runs without a GPU too; and with a folder it goes on where it was stopped,
    with the same result.

    Args:
        model: with LayerChoice or other mutables inside.
        model_optim: of the model's weights; its rate is set by `init_lr` and the schedule. None:
            SGD with Nesterov's momentum 0.9 and weight decay 4e-5.
        device: cpu or cuda; None: a GPU where there is one.
        train_loader: batches (images, targets) for the weights, with a length.
        valid_loader: the same for the architecture.
        label_smoothing: of the cross-entropy.
        n_epochs: epochs behind the warm-up.
        init_lr: learning rate at their beginning; it falls as a cosine.
        binary_mode: `full_v2`, `full` or `two`.
        arch_init_type: how logits begin: `normal` or `uniform`.
        arch_init_ratio: deviation or bound of the first logits.
        arch_optim_lr: of the logits' Adam.
        arch_weight_decay: of the logits' Adam.
        grad_update_arch_param_every: batches between two architecture steps.
        grad_update_steps: updates of logits in an architecture step.
        warmup: whether the weights train alone at first.
        warmup_epochs: for how many epochs.
        arch_valid_frequency: epochs between two lines of the log on the architecture.
        load_ckpt: whether weights are loaded from `ckpt_path` before the training.
        ckpt_path: checkpoint, which is written too; None: none.
        arch_path: the architecture is exported to this file at the end; None: it is not.
        cost: which the loss aims at, differentiable; see `oneshot.algorithms.hardware.cost_of`.
        reference: cost that is aimed at; None: the mean over all networks.
        form: `mul#log` or `add#linear`.
        constraint: what the found network must meet, in place of `cost`.
        learning: `gradient` or `reinforce`.
        seed: of all that is drawn.
        folder: keeps checkpoints, logs and TensorBoard's files; None: nothing is kept.

    Raises:
        InvalidOption: a loader has no length, or an argument is not accepted.
    """

    def __init__(
        self,
        model: nn.Module,
        model_optim: Optimizer | None,
        device: torch.device | str | None,
        train_loader: Iterable[Batch],
        valid_loader: Iterable[Batch],
        label_smoothing: float = 0.1,
        n_epochs: int = 120,
        init_lr: float = 0.025,
        binary_mode: str = "full_v2",
        arch_init_type: str = "normal",
        arch_init_ratio: float = 1e-3,
        arch_optim_lr: float = 1e-3,
        arch_weight_decay: float = 0,
        grad_update_arch_param_every: int = 5,
        grad_update_steps: int = 1,
        warmup: bool = True,
        warmup_epochs: int = 25,
        arch_valid_frequency: int = 1,
        load_ckpt: bool = False,
        ckpt_path: str | Path | None = None,
        arch_path: str | Path | None = None,
        *,
        cost: CostModel | None = None,
        reference: float | None = None,
        form: str = "mul#log",
        constraint: Constraint | None = None,
        learning: str = "gradient",
        seed: int = 0,
        folder: str | Path | None = None,
    ):
        for name, loader in (("train_loader", train_loader), ("valid_loader", valid_loader)):
            if not hasattr(loader, "__len__") or not len(loader):  # type: ignore[arg-type]
                raise InvalidOption(f"{name} needs a length above 0, as a DataLoader has")
        if load_ckpt and ckpt_path is None:
            raise InvalidOption("load_ckpt needs ckpt_path")
        for name, value in (("n_epochs", n_epochs), ("arch_valid_frequency", arch_valid_frequency)):
            if value < 1:
                raise InvalidOption(f"{name} must be at least 1, not {value}")
        self.model, self.train_loader, self.valid_loader = model, train_loader, valid_loader
        self.seed, self.folder = seed, None if folder is None else Path(folder)
        self.ckpt_path, self.arch_path, self.arch_valid_frequency = (
            ckpt_path,
            arch_path,
            arch_valid_frequency,
        )
        self.load_ckpt = load_ckpt
        self.device = chosen_device(device)
        epochs = warmup_epochs if warmup else 0
        options = ProxylessOptions(
            binary_mode=binary_mode,
            learning=learning,
            arch_init_type=arch_init_type,
            arch_init_ratio=arch_init_ratio,
            arch_optim_lr=arch_optim_lr,
            arch_weight_decay=arch_weight_decay,
            grad_update_arch_param_every=grad_update_arch_param_every,
            grad_update_steps=grad_update_steps,
            warmup_epochs=epochs,
            warmup_learning_rate=WARMUP_RATE,
            form=form,
            reference=reference,
        )
        recipe = Recipe(
            epochs=epochs + n_epochs,
            batch_size=1,  # the loaders batch: a batch is what the loop takes for an image
            learning_rate=init_lr,
            schedule="cosine",
            nesterov=True,
            label_smoothing=label_smoothing,
        )
        images: int = len(train_loader)  # type: ignore[arg-type]
        held_out = _Loaded(valid_loader)
        setting = Setting(
            model,
            recipe,
            held_out,
            images,
            seed,
            cost=cost,
            constraint=constraint,
            folder=self.folder,
        )
        self.algorithm = _Algorithm(
            self, dataclasses.replace(setting, tensorboard=folder is not None), options, model_optim
        )

    @property
    def mutator(self) -> ProxylessMutator:
        """Bound to the model."""
        return self.algorithm.mutator

    def train(self) -> None:
        """Train the warm-up and all epochs; then write what was asked for."""
        if self.load_ckpt:
            self.load(self.ckpt_path)
        execution = Execution(
            accelerator="gpu" if self.device.type == "cuda" else "cpu",
            tensorboard=self.folder is not None,
        )
        with tempfile.TemporaryDirectory() as beside:
            fit(
                self.algorithm,
                _Loaded(self.train_loader),
                self.folder or Path(beside),
                seed=self.seed,
                execution=execution,
            )
        self.model.to(self.device)
        self.mutator.to(self.device)
        if self.ckpt_path is not None:
            self.save(self.ckpt_path)
        if self.arch_path is not None:
            self.export(self.arch_path)

    def save(self, path: str | Path) -> None:
        """Write weights and architecture, as `load` takes them."""
        with replacing(Path(path)) as beside:
            torch.save(
                {"model": bare(self.model).state_dict(), "task": self.algorithm.state_dict()},
                beside,
            )

    def load(self, path: str | Path | None) -> None:
        """Take weights and architecture over from a file; raises InvalidOption where it does not
        fit.
        """
        try:
            state = torch.load(str(path), map_location="cpu", weights_only=True)
            bare(self.model).load_state_dict(state["model"])
            self.algorithm.load_state_dict(state["task"])
        except (
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
            KeyError,
            TypeError,
            pickle.UnpicklingError,
        ) as error:
            said = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidOption(f"ckpt_path: {path} does not fit this model: {said}") from error

    def codes(self) -> dict[str, int]:
        """The architecture found so far: key -> code."""
        return self.algorithm.codes()

    def export(self, file: str | Path, weights: str | Path | None = None) -> None:
        """Write the architecture in NNI's format, key -> mask; on request the network's weights
        too.

        Args:
            file: JSON.
            weights: safetensors file of `network()`; None: none.
        """
        masks = {
            key: self.mutator.groups[key][0].mask_of(code).tolist()
            for key, code in self.codes().items()
        }
        write_text(file, json.dumps(masks, indent=2, sort_keys=True) + "\n")
        if weights is not None:
            from safetensors.torch import save

            state = {
                name: value.cpu().contiguous().clone()
                for name, value in self.network().state_dict().items()
            }
            with replacing(Path(weights)) as beside:
                beside.write_bytes(save(state))

    def network(self) -> nn.Module:
        """A copy of the model that is the found network alone, with its weights."""
        model, codes = copy.deepcopy(bare(self.model)), self.codes()
        activate(model, [codes[mutable.key] for mutable in assign_keys(model)])
        return freeze(model)


ProxylessTrainer = ProxylessNasTrainer


class _Algorithm(Proxyless):
    """With a user's optimiser, and lines of the log."""

    def __init__(
        self,
        trainer: ProxylessNasTrainer,
        setting: Setting,
        options: ProxylessOptions,
        optimizer: Optimizer | None,
    ):
        super().__init__(setting, options)
        self.trainer, self.optimizer = trainer, optimizer

    def optimizers(self, steps: int) -> list[tuple[Optimizer, LRScheduler | None]]:
        found = super().optimizers(steps)
        if self.optimizer is None:
            return found
        for group in self.optimizer.param_groups:
            group["lr"] = group["initial_lr"] = self.recipe.learning_rate
        return [(self.optimizer, LambdaLR(self.optimizer, self.rate_fraction(steps))), found[1]]

    def after_step(self, step: int) -> None:
        super().after_step(step)
        epoch, left = divmod(step + 1, self.setting.steps_per_epoch)
        if not left and epoch % self.trainer.arch_valid_frequency == 0:
            report = self.report()
            _log.info(
                "Epoch [%d/%d]  %s",
                epoch,
                self.recipe.epochs,
                " ".join(report["architecture"].values()),
            )
