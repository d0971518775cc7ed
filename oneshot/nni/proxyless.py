"""NNI's `ProxylessNasTrainer` with its arguments, run by the algorithm `proxyless`."""

from __future__ import annotations

import json
import pickle
import shutil
import tempfile
from collections.abc import Iterable, Sized
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim import Optimizer

from oneshot.algorithms.algorithm import Setting
from oneshot.algorithms.proxyless.mutator import ProxylessMutator
from oneshot.algorithms.proxyless.options import ProxylessOptions
from oneshot.data.split import Batch
from oneshot.errors import InvalidOption
from oneshot.mutators.binding import bare
from oneshot.nni.device import chosen_device
from oneshot.nni.loader_source import LoaderSource
from oneshot.nni.logged_proxyless import LoggedProxyless
from oneshot.nni.overriding import refuse_overrides
from oneshot.search.constraint import Constraint
from oneshot.training import checkpoint
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.recipe import Recipe
from spaces.files import replacing, write_text
from spaces.modules.copying import copy_module
from spaces.modules.mutable import assign_keys
from spaces.user_model.freeze import activate, freeze
from tables.cost.model import CostModel

# Methods of NNI's class whose work the algorithm does here.
_INTERNAL_STEPS = (
    "_warm_up",
    "_train",
    "_valid",
    "_validate",
    "_get_update_schedule",
    "_calc_warmup_lr",
    "_adjust_learning_rate",
    "_init_arch_params",
)

WARMUP_RATE = 0.05
"""Initial learning rate of NNI's warm-up."""


class ProxylessNasTrainer:
    """Trainer of the weights and the architecture of a model with choices by ProxylessNAS.

    Follows the trainer of microsoft/nni, versions 1 and 2 (Cai et al., ICLR 2019, arXiv
    1812.00332). Unlike NNI's, it supports all binary modes with every kind of candidate, a cost or
    a constraint in the loss, and training without a GPU. With a folder, an interrupted training
    resumes and has the same result.

    Args:
        model: Model with LayerChoice or other mutables.
        model_optim: Optimizer of the model's weights; its learning rate is set by `init_lr` and the
            schedule. None for SGD with Nesterov momentum 0.9 and weight decay 4e-5.
        device: `cpu` or `cuda`; None for a GPU if one is available.
        train_loader: Batches (images, targets) for the weights, with a length.
        valid_loader: Batches (images, targets) for the architecture, with a length.
        label_smoothing: Label smoothing of the cross-entropy.
        n_epochs: Number of epochs after the warm-up.
        init_lr: Learning rate after the warm-up, from which it follows a cosine to 0.
        binary_mode: `full_v2`, `full` or `two`.
        arch_init_type: Distribution of the initial logits: `normal` or `uniform`.
        arch_init_ratio: Standard deviation or bound of the initial logits.
        arch_optim_lr: Learning rate of the logits' Adam.
        arch_weight_decay: Weight decay of the logits' Adam.
        grad_update_arch_param_every: Number of batches between two architecture steps.
        grad_update_steps: Number of updates of the logits in an architecture step.
        warmup: Whether the weights are trained alone at first.
        warmup_epochs: Number of epochs of the warm-up.
        arch_valid_frequency: Number of epochs between two log lines on the architecture.
        load_ckpt: Whether to resume from `ckpt_path`, with both optimizers and at its epoch.
        ckpt_path: Checkpoint, which is written after each epoch; None to write none.
        arch_path: File for the architecture, which is written after each epoch; None to write none.
        cost: Differentiable cost in the loss, see `oneshot.algorithms.hardware.cost_of`; None
            to ignore costs.
        reference: Target cost; None for the mean over all networks.
        form: Combination of loss and cost: `mul#log` or `add#linear`.
        constraint: Constraint on the resulting network, in place of `cost`; None for none.
        learning: Updates of the logits: `gradient` or `reinforce`.
        seed: Seed of all random numbers.
        folder: Folder of checkpoints, logs and TensorBoard files; None to keep none.

    Raises:
        InvalidOption: A loader has no length, or an argument is not accepted.
    """

    def __init_subclass__(cls, **options: Any) -> None:
        """Refuse to override NNI's internal steps, which this trainer does not have.

        Raises:
            InvalidOption: The subclass overrides one of them.
        """
        super().__init_subclass__(**options)
        alternative = "derive from oneshot.algorithms.proxyless.algorithm.Proxyless"
        refuse_overrides(cls, _INTERNAL_STEPS, alternative)

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
        _check_loaders(train_loader=train_loader, valid_loader=valid_loader)
        _check_counts(n_epochs=n_epochs, arch_valid_frequency=arch_valid_frequency)
        if load_ckpt and ckpt_path is None:
            raise InvalidOption("load_ckpt needs ckpt_path")

        self.model = model
        self.train_loader = train_loader
        self.valid_loader = valid_loader
        self.seed = seed
        self.folder = None if folder is None else Path(folder)
        self.ckpt_path = ckpt_path
        self.arch_path = arch_path
        self.arch_valid_frequency = arch_valid_frequency
        self.load_ckpt = load_ckpt
        self.device = chosen_device(device)

        num_warmup_epochs = warmup_epochs if warmup else 0
        recipe = _recipe(num_warmup_epochs + n_epochs, init_lr, label_smoothing)
        options = ProxylessOptions(
            binary_mode=binary_mode,
            learning=learning,
            arch_init_type=arch_init_type,
            arch_init_ratio=arch_init_ratio,
            arch_optim_lr=arch_optim_lr,
            arch_weight_decay=arch_weight_decay,
            grad_update_arch_param_every=grad_update_arch_param_every,
            grad_update_steps=grad_update_steps,
            warmup_epochs=num_warmup_epochs,
            warmup_learning_rate=WARMUP_RATE,
            form=form,
            reference=reference,
        )

        setting = Setting(
            model,
            recipe,
            LoaderSource(valid_loader, len(valid_loader)),  # type: ignore[arg-type]
            len(train_loader),  # type: ignore[arg-type]
            seed,
            cost=cost,
            constraint=constraint,
            folder=self.folder,
            tensorboard=folder is not None,
        )
        self.algorithm = LoggedProxyless(self, setting, options, model_optim)

    @property
    def mutator(self) -> ProxylessMutator:
        """Mutator of the model, which holds the logits."""
        return self.algorithm.mutator

    def train(self) -> None:
        """Train the warm-up and all epochs; write checkpoint and architecture after each.

        Raises:
            InvalidOption: `ckpt_path` cannot be read, or belongs to another model.
            InvalidRun: `ckpt_path` belongs to a training with other settings.
        """
        if self.load_ckpt:
            self.load(self.ckpt_path)

        execution = Execution(
            accelerator="gpu" if self.device.type == "cuda" else "cpu",
            tensorboard=self.folder is not None,
        )
        # The training loop always writes checkpoints; without a folder they are temporary.
        with tempfile.TemporaryDirectory() as temporary:
            folder = self.folder or Path(temporary)
            if self.load_ckpt and self.ckpt_path is not None:
                _copy_checkpoint(Path(self.ckpt_path), folder / checkpoint.FILE)

            fit(
                self.algorithm,
                LoaderSource(self.train_loader, len(self.train_loader)),  # type: ignore[arg-type]
                folder,
                seed=self.seed,
                execution=execution,
            )

        # As with NNI, the trained model is on the trainer's device.
        self.model.to(self.device)
        self.mutator.to(self.device)

        # The last epoch has written both, except where the checkpoint was of a complete training.
        if self.arch_path is not None:
            self.export(self.arch_path)

    def save(self, path: str | Path) -> None:
        """Write weights and architecture to a file that `load` reads."""
        with replacing(Path(path)) as temporary_path:
            torch.save(
                {"model": bare(self.model).state_dict(), "task": self.algorithm.state_dict()},
                temporary_path,
            )

    def load(self, path: str | Path | None) -> None:
        """Load weights and architecture from a file of `save`, or a checkpoint of `train`.

        Raises:
            InvalidOption: The file cannot be read, or belongs to another model.
        """
        try:
            state = torch.load(str(path), map_location="cpu", weights_only=True)
            bare(self.model).load_state_dict(state["model"])
            self.algorithm.load_state_dict(state["task"])
        # Errors that torch raises for missing, damaged and foreign files.
        except (
            OSError,
            EOFError,
            RuntimeError,
            ValueError,
            KeyError,
            TypeError,
            pickle.UnpicklingError,
        ) as error:
            reason = str(error).splitlines()[0] if str(error) else type(error).__name__
            raise InvalidOption(f"ckpt_path: {path} does not fit this model: {reason}") from error

    def codes(self) -> dict[str, int]:
        """Return the current best architecture: key -> code."""
        return self.algorithm.codes()

    def export(self, file: str | Path, weights: str | Path | None = None) -> None:
        """Write the architecture in NNI's format (key -> mask), and optionally the weights.

        Args:
            file: JSON file of the architecture.
            weights: safetensors file for the weights of `network()`; None to write none.
        """
        masks = {
            key: self.mutator.groups[key][0].mask_of(code).tolist()
            for key, code in self.codes().items()
        }
        named = self.mutator.choice_names.external(masks)
        write_text(file, json.dumps(named, indent=2, sort_keys=True) + "\n")

        if weights is not None:
            from safetensors.torch import save

            # Cloned because safetensors rejects tensors that share memory.
            state = {
                name: value.cpu().contiguous().clone()
                for name, value in self.network().state_dict().items()
            }
            with replacing(Path(weights)) as temporary_path:
                temporary_path.write_bytes(save(state))

    def network(self) -> nn.Module:
        """Return the network of the current architecture with its weights, as a new model."""
        model = copy_module(bare(self.model))
        codes = self.codes()
        activate(model, [codes[mutable.choice.key] for mutable in assign_keys(model)])
        return freeze(model)


ProxylessTrainer = ProxylessNasTrainer


def _recipe(epochs: int, learning_rate: float, label_smoothing: float) -> Recipe:
    return Recipe(
        epochs=epochs,
        # The loaders build the batches, so the training loop counts a batch as one image.
        batch_size=1,
        learning_rate=learning_rate,
        schedule="cosine",
        nesterov=True,
        label_smoothing=label_smoothing,
    )


def _copy_checkpoint(source: Path, target: Path) -> None:
    """Let a training resume from a file, unless the file has only weights, as `save` writes it."""
    state = torch.load(source, map_location="cpu", weights_only=True)
    if "optimizers" in state:
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as temporary_path:
            shutil.copyfile(source, temporary_path)


def _check_loaders(**loaders: Iterable[Batch]) -> None:
    """Raise InvalidOption for the first loader without a length above 0."""
    for name, loader in loaders.items():
        if not isinstance(loader, Sized) or not len(loader):
            raise InvalidOption(f"{name} needs a length above 0, as a DataLoader has")


def _check_counts(**counts: int) -> None:
    """Raise InvalidOption for the first count below 1."""
    for name, count in counts.items():
        if count < 1:
            raise InvalidOption(f"{name} must be at least 1, not {count}")
