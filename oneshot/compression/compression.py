"""Compress a trained network: measure, score, search, fine-tune, test, export, measure again."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from torch import nn

from oneshot.compression.choosing import (
    Choice,
    choose_network,
    sample_near,
    uniform_network,
)
from oneshot.compression.costs import MeasuredDevice, measure_sample
from oneshot.compression.delivery import FinalLatencies, deliver_network, measure_again
from oneshot.compression.distilled_networks import DistilledNetworks
from oneshot.compression.loading import check_task
from oneshot.compression.planning import MOST_SCORED, ScorePlan, time_scores, time_tuning
from oneshot.compression.refinement import SearchedDevice, bound_limits
from oneshot.compression.result import CompressionResult
from oneshot.compression.scoring import Scorer
from oneshot.compression.settings import CompressionSettings
from oneshot.compression.sizes import SizedData
from oneshot.errors import InvalidOption
from spaces.elastic.space import ElasticSpace
from spaces.files import write_text
from spaces.progress import Progress

if TYPE_CHECKING:
    from oneshot.data.images import ImageData
    from oneshot.search.constraint import Constraint, Limit
    from oneshot.tasks.task import Task
    from profiler.backends.base import Backend
    from spaces.architecture import Architecture
    from spaces.space import Codes


@dataclass
class Compression:
    """One compression with its folder.

    Args:
        space: Space of the original network.
        data: Data set of the network, at its input size.
        task: Task of the network.
        limits: Limits that the compressed network has to meet.
        margin: Deviations that estimates stay below a limit.
        backend: Backend that measures; None: no latency is limited.
        conditions: Conditions of the measurement.
        folder: Folder of the results.
        settings: Number of networks, and trainings.
        progress: Called with the title, fraction and state of each step.
        announce: Called with a sentence on what was decided.
        started: `time.monotonic` when the compression began, from which its minutes count.
        seconds: Seconds of each step so far.
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
    announce: Callable[[str], None] = lambda sentence: None
    started: float = field(default_factory=time.monotonic)
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
        constraints = bound_limits(self.limits, self.space, device, self.margin)

        trained = self._networks.train_widths()
        searched = self._searched(device)
        choice = self._choose(constraints, trained, searched)
        if searched is not None:
            device = searched.device
            constraints = bound_limits(self.limits, self.space, device, self.margin)
        architecture = self.space.decode(choice.codes[None])[0]
        network = self._networks.fine_tune(architecture, trained)
        return self._deliver(network, architecture, choice, constraints, device)

    @cached_property
    def _sized(self) -> SizedData:
        return SizedData(self.data, self.space.input_shape)

    @cached_property
    def _networks(self) -> DistilledNetworks:
        return DistilledNetworks(
            self.space, self._sized, self.task, self.settings, self.folder, self._step
        )

    def _check(self) -> None:
        # Before the measurement, which takes minutes.
        check_task(self.space, self.task, self.data)
        self._sized.check(self.space, self.task, self.settings)

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
        largest = max(limit.maximum for limit in self.limits if limit.table is not None)
        return MeasuredDevice(names.pop(), batches, largest)

    def _choose(
        self,
        constraints: Sequence[Constraint],
        trained: ElasticSpace,
        searched: SearchedDevice | None,
    ) -> Choice:
        # Scores before and after a training of all widths differ.
        source = {"supernet_epochs": self.settings.supernet_epochs, "data": self.data.title}
        settings = self.settings
        rng = np.random.default_rng(settings.seed)
        with self._step("score") as progress:
            scorer = Scorer(
                trained, self._sized, self.task, settings, self.folder / "scores.jsonl", source
            )
            codes = sample_near(trained, constraints, rng, settings.scored or MOST_SCORED)
            if settings.scored is None:
                plan = self._plan(constraints, trained, scorer, codes)
                self.announce(str(plan))
                codes = codes[: plan.scored]
            scorer.scores(codes, progress)

        with self._step("search"):
            return choose_network(
                trained,
                constraints,
                scorer,
                settings,
                codes,
                verify=None if searched is None else searched.verify,
                refine=None if searched is None else searched.refine,
            )

    def _searched(self, device: MeasuredDevice | None) -> SearchedDevice | None:
        if device is None or self.backend is None:
            return None
        return SearchedDevice(
            self.space,
            self.backend,
            device,
            self.folder / "verified.jsonl",
            limits=self.limits,
            margin=self.margin,
            threads=int(self.conditions["threads"]),
            rounds=self.settings.rounds,
            seed=self.settings.seed,
        )

    def _plan(
        self,
        constraints: Sequence[Constraint],
        trained: ElasticSpace,
        scorer: Scorer,
        codes: Codes,
    ) -> ScorePlan:
        path = self.folder / "plan.json"
        # A resumed compression scores as many networks, however long it takes now.
        if path.exists():
            return ScorePlan.read(path)

        tuning_s = 0.0
        # Uniform scaling is about as large as the network that will be found.
        if not self._networks.is_fine_tuned:
            student = trained.decode(uniform_network(trained, constraints))[0]
            tuning_s = time_tuning(
                trained.network(student),
                self.space.network(self.space.original).eval(),
                self.data,
                self.task,
                self.settings,
                self._networks.augments,
            )

        score_s = time_scores(scorer, codes)
        plan = ScorePlan.from_times(
            self.settings.minutes,
            time.monotonic() - self.started,
            score_s,
            tuning_s,
            self.settings.checked,
        )
        plan.write(path)
        return plan

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
        latencies = FinalLatencies()
        if device is not None and self.backend is not None:
            with self._step("measure again"):
                latencies = measure_again(
                    self.space,
                    self.backend,
                    device,
                    architectures,
                    threads=int(self.conditions["threads"]),
                    seed=self.settings.seed,
                )

        files = [self.folder / "original.onnx", self.folder / "network.onnx"]
        with self._step("test and export"):
            records = [
                deliver_network(self.space, self._sized, self.task, *delivered)
                for delivered in zip(
                    (original, network),
                    architectures,
                    files,
                    latencies.estimates_ms,
                    latencies.measured_ms,
                    strict=True,
                )
            ]

        result = CompressionResult(
            records[0],
            records[1],
            architecture.to_dict(),
            [constraint.to_dict() for constraint in constraints],
            latencies.sigma_ms,
            latencies.mape,
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
