"""Short trainings: candidates trained for a few updates, in rungs of growing length."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

    from oneshot.data.images import ImageData
    from oneshot.retraining.short_settings import ShortTrainingSettings
    from oneshot.tasks.task import Task
    from spaces.architecture import Architecture
    from spaces.modules.supernet import Supernet
    from spaces.space import SearchSpace

METRICS = "metrics.json"
WEIGHTS = "weights.safetensors"

# Statistics of batch normalisation are computed on this many batches of training images.
_NORM_BATCHES = 8
_EVALUATION_BATCH = 250


@dataclass
class ShortTraining:
    """Function of (codes [choices], rung) that trains a candidate for a rung and scores it.

    It is sent to each process once, which then loads the images once. A finished rung is read from
    its files; an interrupted one resumes where it was.

    Args:
        folder: Folder of the files of all candidates.
        space_name: Space of the candidates.
        task_name: Task of the trainings, with its options.
        data: Record of the data set, for `oneshot.data.reload`.
        settings: Lengths and recipe.
        supernet: Folder of a supernet's run whose weights are the initial ones; None: random.
        device: `cpu`, `gpu` or `auto`.
        threads: Number of torch's threads in each process.
        plugins: Files that register the space, the data set and the task.
    """

    folder: Path
    space_name: str
    task_name: str
    data: Mapping[str, Any]
    settings: ShortTrainingSettings
    supernet: str | None = None
    device: str = "cpu"
    threads: int = 1
    plugins: tuple[str, ...] = ()
    _data_by_shape: dict[tuple[int, int, int], ImageData] = field(
        default_factory=dict, init=False, repr=False
    )

    def __call__(self, item: tuple[list[int], int]) -> dict[str, float]:
        """Train a candidate for a rung and return the task's metrics on validation images."""
        codes, rung = item
        folder = self.rung_folder(codes, rung)
        if not (folder / METRICS).exists():
            self._train(codes, rung, folder)
        metrics: dict[str, float] = json.loads((folder / METRICS).read_text())
        return metrics

    def rung_folder(self, codes: list[int], rung: int) -> Path:
        """Return the folder of a candidate's rung.

        Its name has a digest of everything that determines the result, so that trainings of other
        settings are never read.
        """
        identity = {
            "space": self.space_name,
            "task": self.task_name,
            "data": dict(self.data),
            "settings": self.settings.to_dict(),
            "supernet": self._supernet_digest,
            "codes": codes,
        }
        text = json.dumps(identity, sort_keys=True)
        return self.folder / hashlib.sha256(text.encode()).hexdigest()[:16] / str(rung)

    def remove_weights(self, codes: list[int]) -> None:
        """Remove the weights of a candidate's rungs; its metrics stay."""
        for rung in range(self.settings.rungs):
            (self.rung_folder(codes, rung) / WEIGHTS).unlink(missing_ok=True)

    def _train(self, codes: list[int], rung: int, folder: Path) -> None:
        import torch
        from safetensors.torch import save_file

        from oneshot.data.augmented import AUGMENTED_FROM
        from oneshot.evaluation.recalibration import recalibrate
        from oneshot.retraining.network_training import device_of, plain_batches
        from oneshot.training.algorithm import Algorithm
        from oneshot.training.checkpoint import FILE
        from oneshot.training.execution import Execution
        from oneshot.training.fitting import fit
        from oneshot.training.passes import Passes
        from spaces.files import replacing, write_text

        torch.set_num_threads(self.threads)
        settings = self.settings
        architecture = self._space.decode(self._codes(codes))[0]
        data = self._load_data(architecture)
        network = self._initial(codes, rung, architecture)
        execution = Execution(accelerator=self.device)
        fit(
            Algorithm(network, settings.recipe(rung), Passes(self._task)),
            data.train,
            folder,
            # Another order of the images in each rung, the same for all candidates.
            seed=settings.seed + rung,
            augment=len(data.train) >= AUGMENTED_FROM,
            execution=execution,
        )

        device = device_of(execution)
        batches = plain_batches(data.train, _EVALUATION_BATCH, _NORM_BATCHES, settings.seed, device)
        recalibrate(network.to(device), batches, task=self._task)
        metrics = self._metrics(network, data, device)

        with replacing(folder / WEIGHTS) as temporary:
            weights = network.cpu().state_dict()
            save_file({name: value.contiguous() for name, value in weights.items()}, temporary)
        # Last: the metrics mark a finished rung.
        write_text(folder / METRICS, json.dumps(metrics) + "\n")
        (folder / FILE).unlink(missing_ok=True)

    def _initial(self, codes: list[int], rung: int, architecture: Architecture) -> nn.Module:
        """Return the network with the weights that a rung begins with."""
        import torch
        from safetensors.torch import load_file

        from oneshot.retraining.supernet_weights import inherit

        generator = torch.Generator().manual_seed(int(self.settings.seed))
        network = self._space.network(architecture, int(self.data["num_classes"]), generator)
        if rung:
            earlier = self.rung_folder(codes, rung - 1)
            # A bracket that ended has removed its weights; a longer one trains them again.
            if not (earlier / WEIGHTS).exists():
                self._train(codes, rung - 1, earlier)
            network.load_state_dict(load_file(earlier / WEIGHTS))
        elif self._supernet is not None:
            inherit(network, self._supernet, architecture)
        return network

    def _metrics(self, network: nn.Module, data: ImageData, device: Any) -> dict[str, float]:
        import numpy as np

        from oneshot.evaluation.images import sample_rows
        from oneshot.evaluation.tallies import tally_of

        rows = np.sort(
            sample_rows(len(data.validation), self.settings.images, int(self.settings.seed))
        )
        network.eval()
        return tally_of(
            network, data.validation.batches(_EVALUATION_BATCH, rows), device, self._task
        ).metrics()

    def _load_data(self, architecture: Architecture) -> ImageData:
        from oneshot.data.registry import reload

        # The resolution may be a choice.
        shape = self._space.example_shape_of(architecture)
        if shape not in self._data_by_shape:
            record = dict(self.data)
            if shape != self._space.input_shape:
                # The digest is that of the space's own shape.
                record.pop("digest", None)
            self._data_by_shape[shape] = reload(record, shape)
        return self._data_by_shape[shape]

    def _codes(self, codes: list[int]) -> Any:
        import numpy as np

        return self._space.check(np.array([codes]))

    @cached_property
    def _space(self) -> SearchSpace:
        from spaces.plugins import load_file
        from spaces.registry import get

        for plugin in self.plugins:
            load_file(plugin)
        return get(self.space_name)

    @cached_property
    def _task(self) -> Task:
        from oneshot.tasks.registry import make_task

        return make_task(self.task_name, self._space)

    @cached_property
    def _supernet(self) -> Supernet | None:
        from oneshot.run import read_run
        from spaces.modules.supernet import Supernet

        if self.supernet is None:
            return None
        supernet = read_run(self.supernet, "supernet").load()
        assert isinstance(supernet, Supernet)
        return supernet

    @cached_property
    def _supernet_digest(self) -> str | None:
        from oneshot.run import read_run

        return None if self.supernet is None else read_run(self.supernet).weights_digest()
