"""Networks that the original one teaches, with their weights in the folder of a compression."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import nn

from oneshot.compression.folder import load_weights, save_weights
from oneshot.compression.settings import CompressionSettings
from oneshot.compression.sizes import SizedData
from oneshot.compression.training import Distillation, Sandwich
from oneshot.evaluation.recalibration import recalibrate
from oneshot.retraining.network_training import plain_batches
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from spaces.elastic.space import ElasticSpace
from spaces.progress import Progress

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.tasks.task import Task
    from spaces.architecture import Architecture

# Batches, and images per batch, of the final pass for statistics of normalisation.
_NORM_BATCHES = 200
_NORM_BATCH = 250


class DistilledNetworks:
    """Trains all widths together, and then the network that is taken.

    A training whose weights are in the folder is not repeated; one that was interrupted is resumed.

    Args:
        space: Space of the original network.
        data: Data set of the network at the input sizes of the space.
        task: Task of the network.
        settings: Trainings.
        folder: Folder of the compression.
        step: Maps the title of a training to the context in which it runs, which yields the
            function that receives its progress.
    """

    def __init__(
        self,
        space: ElasticSpace,
        data: SizedData,
        task: Task,
        settings: CompressionSettings,
        folder: Path,
        step: Callable[[str], AbstractContextManager[Progress]],
    ):
        self.space = space
        self.data = data
        self.task = task
        self.settings = settings
        self.folder = folder
        self._step = step

    @property
    def augments(self) -> bool:
        """Whether training images are augmented."""
        from oneshot.data.augmented import AUGMENTED_FROM

        return len(self._original_data.train) >= AUGMENTED_FROM

    def train_widths(self) -> ElasticSpace:
        """Return the space with weights that were trained at all widths.

        Raises:
            Stopped: The training was interrupted; its checkpoint is written.
        """
        if not self.settings.supernet_epochs:
            return self.space

        folder = self.folder / "supernet"
        weights = folder / "weights.safetensors"
        # The weights are written last: where they are, the training is complete.
        if not weights.exists():
            supernet = self.space.supernet()
            algorithm = Sandwich(
                supernet,
                self._teacher(),
                replace(self.settings.recipe, epochs=self.settings.supernet_epochs),
                self.settings.distillation,
                Passes(self.task),
                self.settings.seed,
            )
            with self._step("train all widths") as progress:
                self._fit(algorithm, self._original_data, folder, progress)
            save_weights(supernet.model, weights)

        # From the file in any case, so that a resumed compression has the same weights.
        network = self._teacher()
        load_weights(network, weights)
        return self.space.with_weights(network)

    @property
    def is_fine_tuned(self) -> bool:
        """Whether the folder has the weights of the network that is taken."""
        return self._weights.exists()

    def fine_tune(self, architecture: Architecture, trained: ElasticSpace) -> nn.Module:
        """Return the network that is taken, fine-tuned and in evaluation mode.

        Args:
            architecture: Its architecture.
            trained: Space with the weights that it begins with.

        Raises:
            Stopped: The training was interrupted; its checkpoint is written.
        """
        if not self.is_fine_tuned:
            data = self.data.at(self.space.input_shape_of(architecture))
            network = trained.network(architecture)
            with self._step("fine-tune") as progress:
                self._fine_tune(network, data, progress)
            save_weights(network, self._weights)

        # Always from the file, so that a resumed compression exports the same bytes.
        network = trained.network(architecture)
        load_weights(network, self._weights)
        return network.eval()

    @property
    def _weights(self) -> Path:
        return self.folder / "network.safetensors"

    @property
    def _original_data(self) -> ImageData:
        return self.data.at(self.space.input_shape)

    def _teacher(self) -> nn.Module:
        return self.space.network(self.space.original)

    def _fine_tune(self, network: nn.Module, data: ImageData, progress: Progress) -> None:
        if self.settings.epochs:
            algorithm = Distillation(
                network,
                self._teacher(),
                replace(self.settings.recipe, epochs=self.settings.epochs),
                self.settings.distillation,
                Passes(self.task),
                # Masks and boxes of both networks have to be of one image.
                self.space.input_shape[-1] if self.task.head == "classes" else None,
            )
            self._fit(algorithm, data, self.folder / "training", progress)

        # Running averages lag behind the last weights, or are the original's without training.
        size = min(_NORM_BATCH, len(data.train))
        batches = plain_batches(
            data.train, size, _NORM_BATCHES, self.settings.seed, torch.device("cpu")
        )
        recalibrate(network, batches, task=self.task)

    def _fit(
        self, algorithm: Distillation, data: ImageData, folder: Path, progress: Progress
    ) -> None:
        fit(
            algorithm,
            data.train,
            folder,
            seed=self.settings.seed,
            augment=self.augments,
            execution=Execution(accelerator="cpu"),
            progress=progress,
        )
