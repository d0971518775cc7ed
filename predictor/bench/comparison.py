"""Compare predictors on a benchmark over training sizes, splits and seeds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from predictor.bench.columns import parse_file_column
from predictor.bench.journal import TrialJournal
from predictor.bench.trials import Split, Trials
from predictor.ensemble.predictor import GraphPredictor
from predictor.metrics import FIGURES
from spaces.files import digest
from spaces.progress import Progress

if TYPE_CHECKING:
    from tables.benchmarks.oracle import Benchmark

TrialKey: TypeAlias = tuple[str, Split, int, int]
"""Kind of predictor, split, number of training architectures and seed."""


@dataclass(frozen=True)
class ComparisonSettings:
    """Settings of a comparison.

    Args:
        kinds: Kinds of predictors.
        splits: Ways to choose the architectures to test on; see `Trials.split`.
        counts: Numbers of architectures to train on.
        seeds: Seeds of the split and the fit.
        metric: Metric to predict. None: the benchmark's default metric.
        auxiliary: Further columns that predictors may use; see `predictor.bench.columns`.
        transfer: File of the predictor that graph predictors of its kind begin with. None: they
            begin with random weights.
    """

    kinds: Sequence[str]
    splits: Sequence[Split]
    counts: Sequence[int]
    seeds: range
    metric: str | None = None
    auxiliary: Sequence[str] = ()
    transfer: Path | None = None


class Comparison:
    """Trials of several predictors on one benchmark.

    Args:
        benchmark: The benchmark whose architectures the predictors are fitted and tested on.
        name: Name of the benchmark as the user gave it.
        settings: Settings of the comparison.
        source: The predictor that `settings.transfer` contains.
        journal: File that stores each trial; those that it contains are not repeated. None: trials
            are not stored.

    Raises:
        UnknownName: The benchmark does not have the metric or an auxiliary column.
        MissingAuxiliary: A file of auxiliary columns lacks an architecture of the benchmark.
        InvalidJournal: The journal cannot be read.
    """

    def __init__(
        self,
        benchmark: Benchmark,
        name: str,
        settings: ComparisonSettings,
        source: GraphPredictor | None = None,
        journal: Path | None = None,
    ):
        self.settings = settings
        self.description: dict[str, Any] = {
            "benchmark": name,
            "metric": settings.metric or benchmark.default_metric,
            "auxiliary": sorted(settings.auxiliary),
        }
        """Everything but the key that the figures of a trial depend on, as JSON."""

        self._source = source
        self._trials = Trials.from_benchmark(benchmark, settings.metric, settings.auxiliary)

        # Files enter by their digest: a journal must not reuse trials of a file that has changed.
        files = {
            file[0] for text in settings.auxiliary if (file := parse_file_column(text)) is not None
        }
        if files:
            self.description["files"] = {str(path): digest(path) for path in sorted(files)}
        if settings.transfer is not None:
            path = settings.transfer
            self.description["transfer"] = {str(path): digest(path)}

        self._journal = TrialJournal(journal, self.description)

    @property
    def num_fits(self) -> int:
        """The number of fits; each is tested on all splits."""
        settings = self.settings
        return len(settings.counts) * len(settings.kinds) * len(settings.seeds)

    def run(self, progress: Progress) -> None:
        """Run the trials that the journal does not contain."""
        for index, (kind, count, seed) in enumerate(self._fits()):
            missing = [
                split
                for split in self.settings.splits
                if (kind, split, count, seed) not in self._journal.done
            ]
            if not missing:
                continue

            state = f"{kind}, {count} architectures, seed {seed}"

            # The defaults bind the current values; a closure would read those of the last fit.
            def report(
                fraction: float, text: str, /, index: int = index, state: str = state
            ) -> None:
                progress((index + fraction) / self.num_fits, state)

            trials = self._trials.run(kind, count, seed, missing, report, self._source)
            for split, figures in trials.items():
                self._journal.append((kind, split, count, seed), figures)

    def trials(self) -> dict[TrialKey, dict[str, float]]:
        """Return the figures of all trials, after `run`."""
        keys: list[TrialKey] = [
            (kind, split, count, seed)
            for kind, count, seed in self._fits()
            for split in self.settings.splits
        ]
        return {key: self._journal.done[key] for key in keys}

    def rows(self) -> list[dict[str, Any]]:
        """Summarise the trials over seeds, after `run`.

        Returns:
            For every predictor and split: figure -> number of training architectures -> its mean,
            deviation and number of seeds.
        """
        trials = self.trials()
        return [
            {
                "predictor": kind,
                "split": split,
                **{figure: self._summary(trials, kind, split, figure) for figure in FIGURES},
            }
            for kind in self.settings.kinds
            for split in self.settings.splits
        ]

    def _fits(self) -> Iterator[tuple[str, int, int]]:
        for count in self.settings.counts:
            for kind in self.settings.kinds:
                for seed in self.settings.seeds:
                    yield kind, count, seed

    def _summary(
        self,
        trials: Mapping[TrialKey, Mapping[str, float]],
        kind: str,
        split: Split,
        figure: str,
    ) -> dict[int, dict[str, float]]:
        summary = {}
        for count in self.settings.counts:
            values = [
                figures[figure]
                for key, figures in trials.items()
                if key[:3] == (kind, split, count)
            ]
            summary[count] = {
                "mean": float(np.mean(values)),
                "deviation": float(np.std(values)),
                "seeds": len(values),
            }

        return summary
