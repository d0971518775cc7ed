"""Compress a trained network: measure, score, search, fine-tune, test, export, measure again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from oneshot.compression.choosing import Choice, choose_network
from oneshot.compression.costs import MeasuredDevice, measure_sample, time_networks
from oneshot.compression.folder import load_weights, save_weights
from oneshot.compression.result import CompressionResult, NetworkRecord
from oneshot.compression.scoring import Scorer
from oneshot.compression.settings import CompressionSettings
from oneshot.compression.training import Distillation, Sandwich
from oneshot.errors import InvalidOption, InvalidRun
from oneshot.evaluation.recalibration import recalibrate
from oneshot.export.comparison import TOLERANCE, compare
from oneshot.export.inputs import NetworkInputs
from oneshot.export.onnx import write_onnx
from oneshot.retraining.network_training import plain_batches
from oneshot.retraining.report import report_on_test
from oneshot.training.execution import Execution
from oneshot.training.fitting import fit
from oneshot.training.passes import Passes
from spaces.elastic.space import ElasticSpace
from spaces.files import replacing, write_text
from spaces.progress import Progress

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.search.constraint import Constraint, Limit
    from oneshot.tasks.task import Task
    from profiler.backends.base import Backend
    from spaces.architecture import Architecture
    from tables.cost.model import CostSource

# Rounds of the final measurement, which is of two networks only.
_FINAL_ROUNDS = 12

# Batches, and images per batch, of the final pass for statistics of normalisation.
_NORM_BATCHES = 200
_NORM_BATCH = 250


@dataclass
class Compression:
    """One compression with its folder.

    Args:
        space: Space of the original network.
        data: Data set of the network.
        task: Task of the network.
        limits: Limits that the compressed network has to meet.
        margin: Deviations that estimates stay below a limit.
        backend: Backend that measures; None: no latency is limited.
        conditions: Conditions of the measurement.
        folder: Folder of the results.
        settings: Number of networks, and trainings.
        progress: Called with the title, fraction and state of each step.
    """

    space: ElasticSpace
    data: ImageData
    task: Task
    limits: Sequence[Limit]
    margin: float
    backend: Backend | None
    conditions: dict[str, Any]
    folder: Path
    settings: CompressionSettings
    progress: Callable[[str, float, str], None] = lambda title, fraction, state: None
    seconds: dict[str, float] = field(default_factory=dict)

    def run(self) -> CompressionResult:
        """Compress the network, or resume an interrupted compression.

        Raises:
            InvalidOption: The data set is not of the network.
            InvalidRun: A file of the folder is of another compression.
            Infeasible: No smaller network meets the limits.
            Stopped: A training was interrupted; its checkpoint is written.
        """
        self._check()
        device = self._measure()
        constraints = [
            limit.bind(self.space, partial(_named, device), self.margin) for limit in self.limits
        ]

        trained = self._train_widths()
        choice = self._choose(constraints, trained)
        architecture = self.space.decode(choice.codes[None])[0]
        network = self._fine_tune(architecture, trained)
        return self._deliver(network, architecture, choice, constraints, device)

    def _check(self) -> None:
        # Before the measurement, which takes minutes.
        self.task.check(self.data)
        if self.data.num_classes != self.space.num_classes:
            raise InvalidOption(
                f"data: {self.data.title} has {self.data.num_classes} classes, but the network's"
                f" output has {self.space.num_classes}"
            )

    @contextmanager
    def _step(self, title: str) -> Iterator[Progress]:
        begin = time.monotonic()
        yield lambda fraction, state: self.progress(title, fraction, state)
        self.seconds[title] = round(time.monotonic() - begin, 1)

    def _measure(self) -> MeasuredDevice | None:
        # Limits of counts, such as of MACs, need no measurement.
        names = {limit.table for limit in self.limits if limit.table is not None}
        if not names:
            return None

        if len(names) > 1 or self.backend is None:
            raise InvalidOption(
                f"constraint: one device is measured at a time, not {', '.join(sorted(names))}"
            )

        with self._step("measure") as progress:
            batches = measure_sample(
                self.space,
                self.backend,
                self.folder / "latencies.jsonl",
                self.conditions,
                count=self.settings.measured,
                rounds=self.settings.rounds,
                seed=self.settings.seed,
                progress=progress,
            )
        return MeasuredDevice(names.pop(), batches)

    def _train_widths(self) -> ElasticSpace:
        """Return the space with weights that were trained at all widths."""
        if not self.settings.supernet_epochs:
            return self.space

        folder = self.folder / "supernet"
        weights = folder / "weights.safetensors"
        # The weights are written last: where they are, the training is complete.
        if not weights.exists():
            supernet = self.space.supernet()
            algorithm = Sandwich(
                supernet,
                self.space.network(self.space.original),
                replace(self.settings.recipe, epochs=self.settings.supernet_epochs),
                self.settings.distillation,
                Passes(self.task),
                self.settings.seed,
            )
            with self._step("train all widths") as progress:
                self._fit(algorithm, folder, progress)
            save_weights(supernet.model, weights)

        # From the file in any case, so that a resumed compression has the same weights.
        network = self.space.network(self.space.original)
        load_weights(network, weights)
        return self.space.with_weights(network)

    def _choose(self, constraints: Sequence[Constraint], trained: ElasticSpace) -> Choice:
        # Scores before and after a training of all widths differ.
        source = {"supernet_epochs": self.settings.supernet_epochs, "data": self.data.title}
        with self._step("score and search") as progress:
            scorer = Scorer(
                trained, self.data, self.task, self.settings, self.folder / "scores.jsonl", source
            )
            return choose_network(trained, constraints, scorer, self.settings, progress)

    def _fine_tune(self, architecture: Architecture, trained: ElasticSpace) -> nn.Module:
        weights = self.folder / "network.safetensors"
        if not weights.exists():
            self._train(trained.network(architecture), weights)

        # Always from the file, so that a resumed compression exports the same bytes.
        network = trained.network(architecture)
        load_weights(network, weights)
        return network.eval()

    def _train(self, network: nn.Module, weights: Path) -> None:
        with self._step("fine-tune") as progress:
            if self.settings.epochs:
                algorithm = Distillation(
                    network,
                    self.space.network(self.space.original),
                    replace(self.settings.recipe, epochs=self.settings.epochs),
                    self.settings.distillation,
                    Passes(self.task),
                )
                self._fit(algorithm, self.folder / "training", progress)

            # Running averages lag behind the last weights, or are the original's without training.
            size = min(_NORM_BATCH, len(self.data.train))
            batches = plain_batches(
                self.data.train, size, _NORM_BATCHES, self.settings.seed, torch.device("cpu")
            )
            recalibrate(network, batches, task=self.task)

        save_weights(network, weights)

    def _fit(self, algorithm: Distillation, folder: Path, progress: Progress) -> None:
        fit(
            algorithm,
            self.data.train,
            folder,
            seed=self.settings.seed,
            augment=len(self.data.train) >= _augmented_from(),
            execution=Execution(accelerator="cpu"),
            progress=progress,
        )

    def _deliver(
        self,
        network: nn.Module,
        architecture: Architecture,
        choice: Choice,
        constraints: Sequence[Constraint],
        device: MeasuredDevice | None,
    ) -> CompressionResult:
        """Test, export and measure both networks, and write the result."""
        # The user's weights, not those of the training of all widths.
        original = self.space.network(self.space.original).eval()
        architectures = [self.space.original, architecture]
        model, mape, measured = self._final_latencies(architectures, device)
        estimates = [None, None] if model is None else model.estimate(architectures).tolist()

        records = []
        names = ("original.onnx", "network.onnx")
        with self._step("test and export"):
            for index, (module, item) in enumerate(
                zip((original, network), architectures, strict=True)
            ):
                path = self.folder / names[index]
                self._export(module, path, item)
                records.append(
                    NetworkRecord(
                        self.space.macs(item),
                        self.space.params(item),
                        path.stat().st_size,
                        estimates[index],
                        measured[index],
                        report_on_test(module, self.data, task=self.task),
                    )
                )

        result = CompressionResult(
            records[0],
            records[1],
            architecture.to_dict(),
            [constraint.to_dict() for constraint in constraints],
            None if model is None else model.sigma,
            mape,
            0 if device is None else sum(len(batch.codes) for batch in device.batches),
            choice.scored,
            choice.kendall,
            self.seconds,
            self.space.report().to_dict(),
        )

        # The result last: where it is, all other files are complete.
        write_text(self.folder / "architecture.json", architecture.to_json() + "\n")
        write_text(self.folder / "result.json", json.dumps(result.to_dict(), indent=1) + "\n")
        return result

    def _final_latencies(
        self, architectures: list[Architecture], device: MeasuredDevice | None
    ) -> tuple[Any, float | None, list[float | None]]:
        if device is None or self.backend is None:
            return None, None, [None, None]

        model, width_fit, values = device.fit(self.space)
        with self._step("measure again"):
            times = time_networks(
                self.space,
                self.backend,
                self.space.encode(architectures),
                threads=int(self.conditions["threads"]),
                rounds=_FINAL_ROUNDS,
                seed=self.settings.seed,
            )

        # In the machine's state at the cost model's measurement, in which the limit is promised.
        reference_ms = float(np.median([batch.reference_ms for batch in device.batches]))
        measured = np.median(times.ratios, axis=1) * reference_ms
        return model, width_fit.mape(values), [float(value) for value in measured]

    def _export(self, network: nn.Module, path: Path, architecture: Architecture) -> None:
        inputs = NetworkInputs.from_space(self.space, architecture)
        metadata = {
            "architecture": architecture.to_json(),
            "classes": json.dumps(list(self.data.classes)),
        }
        with replacing(path) as temporary:
            write_onnx(network, inputs, temporary, metadata)
            difference = compare(network, inputs, temporary, None)
            # Negated so that NaN fails too.
            if not difference <= TOLERANCE:
                raise InvalidRun(
                    f"{path}: the exported model differs from torch by {difference:.2g}"
                )


def _named(device: MeasuredDevice | None, name: str) -> CostSource:
    assert device is not None
    return device


def _augmented_from() -> int:
    from oneshot.data.augmented import AUGMENTED_FROM

    return AUGMENTED_FROM
